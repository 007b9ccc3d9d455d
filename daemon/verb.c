/* SPDX-License-Identifier: MIT */
/* Dispatch and the reading of options. */
#include "daemon/verb.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "daemon/berthd.h"

const struct verb_row verb_rows[VERBS] = {
#define X(symbol, word_, min_, max_, flags_, usage_, summary_)                             \
	[VERB_##symbol] = { .word = (word_), .usage = (usage_), .summary = (summary_),     \
		            .min = (min_), .max = (max_), .flags = (flags_) },
	BERTH_VERBS(X)
#undef X
};

static void (*const functions[VERBS])(struct session *session, const struct request *request) = {
#define X(symbol, word, min, max, flags, usage, summary) [VERB_##symbol] = verb_##symbol,
	BERTH_VERBS(X)
#undef X
};

int
verb_find(const struct request_arg *word)
{
	for (int verb = 0; verb < VERBS; verb++)
		if (request_arg_is(word, verb_rows[verb].word))
			return verb;
	return -1;
}

bool
verb_goes_along(const struct request *request)
{
	return request->argc >= 4 && request_arg_is(&request->argv[0], verb_rows[VERB_enum].word)
	       && (request_arg_is(&request->argv[1], "ENSURE") || request_arg_is(&request->argv[1], "APPEND"));
}

void
verb_dispatch(struct session *session, const struct request *request)
{
	int verb = verb_find(&request->argv[0]);
	const struct verb_row *row = verb >= 0 ? &verb_rows[verb] : NULL;
	size_t before = evbuffer_get_length(session->out);

	if (!row) {
		session_error(session, BERTH_ERR, "unknown command '%.*s'; HELP lists the verbs",
		              (int)(request->argv[0].len > 64 ? 64 : request->argv[0].len), request->argv[0].ptr);
		return;
	}
	session->berthd->calls[verb]++;
	if (request->argc < row->min || (row->max && request->argc > row->max))
		session_error(session, BERTH_USAGE, "wrong number of arguments; it is: %s %s", row->word, row->usage);
	else if (row->flags & VERB_ADMIN && !session->privileged)
		session_error(session, BERTH_DENIED, "%s is for root and the daemon's own user, you are uid %u",
		              row->word, (unsigned)session->uid);
	else
		functions[verb](session, request);
	assert(session->waiting || evbuffer_get_length(session->out) > before);
}

/* ---- options ---- */

static struct option *
find_option(struct option *options, int count, const struct request_arg *word)
{
	for (int i = 0; i < count; i++)
		if (request_arg_is(word, options[i].word))
			return &options[i];
	return NULL;
}

static int
read_number(struct option *option, const struct request_arg *arg, struct berth_error *e)
{
	if (!request_arg_int(arg, &option->number))
		return berth_error_set(e, BERTH_USAGE, "%s must be a whole number, not '%.*s'", option->word,
		                       (int)(arg->len > 64 ? 64 : arg->len), arg->ptr);
	if (option->number < option->least || option->number > option->greatest)
		return berth_error_set(e, BERTH_LIMIT, "%s may be %lld to %lld, not %lld", option->word,
		                       (long long)option->least, (long long)option->greatest,
		                       (long long)option->number);
	return 0;
}

static int
read_text(struct option *option, const struct request_arg *arg, struct berth_error *e)
{
	assert(option->most < sizeof option->text);
	if (arg->len > option->most)
		return berth_error_set(e, BERTH_USAGE, "%s may be %zu bytes long, this one has %zu", option->word,
		                       option->most, arg->len);
	for (size_t i = 0; i < arg->len; i++)
		if ((unsigned char)arg->ptr[i] < ' ' || arg->ptr[i] == 0x7f)
			return berth_error_set(e, BERTH_USAGE, "%s may hold no control characters", option->word);
	memcpy(option->text, arg->ptr, arg->len);
	option->text[arg->len] = '\0';
	return 0;
}

int
options_read(const struct request *request, int from, struct option *options, int count, struct berth_error *e)
{
	for (int i = from; i < request->argc; i++) {
		const struct request_arg *word = &request->argv[i];
		struct option *option = find_option(options, count, word);

		if (!option)
			return berth_error_set(e, BERTH_USAGE, "unknown option '%.*s'; HELP %.*s shows what there is",
			                       (int)(word->len > 64 ? 64 : word->len), word->ptr,
			                       (int)request->argv[0].len, request->argv[0].ptr);
		if (option->said)
			return berth_error_set(e, BERTH_USAGE, "%s is said twice", option->word);
		option->said = true;
		if (option->kind == OPTION_FLAG)
			continue;
		if (++i == request->argc)
			return berth_error_set(e, BERTH_USAGE, "%s needs a value", option->word);
		if (option->kind == OPTION_NUMBER ? read_number(option, &request->argv[i], e) < 0
		                                  : read_text(option, &request->argv[i], e) < 0)
			return -1;
	}
	return 0;
}

int
argument_word(const struct request_arg *arg, const char *what, size_t most, char *out, struct berth_error *e)
{
	if (arg->len < 1 || arg->len > most)
		return berth_error_set(e, BERTH_USAGE, "%s must be 1 to %zu bytes long, this one has %zu", what, most,
		                       arg->len);
	for (size_t i = 0; i < arg->len; i++)
		if ((unsigned char)arg->ptr[i] <= ' ' || (unsigned char)arg->ptr[i] >= 0x7f)
			return berth_error_set(e, BERTH_USAGE, "%s must be visible ASCII without spaces", what);
	memcpy(out, arg->ptr, arg->len);
	out[arg->len] = '\0';
	return 0;
}
