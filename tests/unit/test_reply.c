/* SPDX-License-Identifier: MIT */
/* The reply writer: golden vectors in RESP2 and RESP3, and hiredis reading what was written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "proto/reply.h"
#include "proto/request.h"
#include "tests/unit/stream.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

static void
put_text(void *sink, const void *data, size_t len)
{
	text_add(sink, data, len);
}

/* -- the calls that vectors name; `a` and `b` are their arguments, NUL-terminated */

struct call {
	const char *a, *b;
	size_t a_len;
};

static void
call_ok(struct reply *r, const struct call *c)
{
	reply_ok(r);
}

static void
call_simple(struct reply *r, const struct call *c)
{
	reply_simple(r, c->a);
}

static void
call_int(struct reply *r, const struct call *c)
{
	reply_int(r, strtoll(c->a, NULL, 10));
}

static void
call_bulk(struct reply *r, const struct call *c)
{
	reply_bulk(r, c->a, c->a_len);
}

static void
call_text(struct reply *r, const struct call *c)
{
	reply_text(r, c->a);
}

static void
call_null(struct reply *r, const struct call *c)
{
	reply_null(r);
}

static void
call_array(struct reply *r, const struct call *c)
{
	reply_array(r, atoi(c->a));
}

static void
call_map(struct reply *r, const struct call *c)
{
	reply_map(r, atoi(c->a));
}

static void
call_push(struct reply *r, const struct call *c)
{
	reply_push(r, atoi(c->a));
}

static void
call_error(struct reply *r, const struct call *c)
{
	struct berth_error e;

	berth_error_set(&e, berth_error_code(c->a, c->a_len), "%s", c->b);
	reply_error(r, &e);
}

static void
call_field_text(struct reply *r, const struct call *c)
{
	reply_field_text(r, c->a, c->b);
}

static void
call_field_int(struct reply *r, const struct call *c)
{
	reply_field_int(r, c->a, strtoll(c->b, NULL, 10));
}

static const struct {
	const char *name;
	void (*run)(struct reply *r, const struct call *c);
	int args;
} calls[] = {
	{ "ok", call_ok, 0 },
	{ "simple", call_simple, 1 },
	{ "int", call_int, 1 },
	{ "bulk", call_bulk, 1 },
	{ "text", call_text, 1 },
	{ "null", call_null, 0 },
	{ "array", call_array, 1 },
	{ "map", call_map, 1 },
	{ "push", call_push, 1 },
	{ "error", call_error, 2 },
	{ "field_text", call_field_text, 2 },
	{ "field_int", call_field_int, 2 },
};

/* Cuts an argument off *rest into bytes with a NUL behind; NULL for \N and where there is none. */
static const char *
call_arg(const struct vectors *v, char **rest, struct text *bytes)
{
	if (strcmp(*rest, "\\N") == 0) {
		*rest += 2;
		return NULL;
	}
	if (!vectors_arg(v, rest, bytes))
		return NULL;
	text_add(bytes, "", 1);
	return bytes->data;
}

static void
run_call(const struct vectors *v, char *rest, struct reply *r)
{
	const char *name = strsep(&rest, " ");
	struct text a = { 0 }, b = { 0 };
	struct call call = { 0 };
	size_t i = 0;

	while (strcmp(calls[i].name, name) != 0)
		if (++i == sizeof calls / sizeof *calls)
			vectors_fail(v);
	if (calls[i].args > 0)
		call.a = call_arg(v, &rest, &a);
	call.a_len = a.len ? a.len - 1 : 0;
	if (calls[i].args > 1)
		call.b = call_arg(v, &rest, &b);
	if (rest && *rest)
		vectors_fail(v);
	calls[i].run(r, &call);
	free(a.data);
	free(b.data);
}

/* -- one case of the vectors */

struct golden {
	char name[128];
	char *call[16];
	int calls;
	bool has[4]; /* [2] and [3] */
	struct text bytes[4];
};

static void
check_resp(const struct vectors *v, const struct golden *g, int resp)
{
	struct text out = { 0 };
	struct reply r = { .resp = resp, .put = put_text, .sink = &out };

	for (int i = 0; i < g->calls; i++) {
		char *copy = strdup(g->call[i]);

		run_call(v, copy, &r);
		free(copy);
	}
	if (out.len != g->bytes[resp].len || memcmp(out.data, g->bytes[resp].data, out.len) != 0)
		fail_msg("%s, RESP%d:\n%.*s\ninstead of\n%.*s", g->name, resp, (int)out.len,
		         out.data, (int)g->bytes[resp].len, g->bytes[resp].data);
	free(out.data);
}

/* hiredis must read exactly one reply out of what is RESP2, and nothing must remain. */
static void
check_hiredis(const struct golden *g)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	assert_int_equal(redisReaderFeed(reader, g->bytes[2].data, g->bytes[2].len), REDIS_OK);
	if (redisReaderGetReply(reader, &reply) != REDIS_OK || !reply)
		fail_msg("%s: hiredis: %s", g->name, reader->errstr);
	freeReplyObject(reply);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_null(reply);
	assert_true(reader->pos == reader->len);
	redisReaderFree(reader);
}

static void
end_golden(const struct vectors *v, struct golden *g)
{
	for (int resp = 2; resp <= 3; resp++)
		if (g->has[resp])
			check_resp(v, g, resp);
	if (g->has[2])
		check_hiredis(g);
	for (int i = 0; i < g->calls; i++)
		free(g->call[i]);
	free(g->bytes[2].data);
	free(g->bytes[3].data);
	*g = (struct golden){ 0 };
}

static void
read_golden(struct vectors *v, struct golden *g)
{
	if (strcmp(v->word, "call") == 0 && g->calls < 16)
		g->call[g->calls++] = strdup(v->rest);
	else if (strcmp(v->word, "resp2") == 0 || strcmp(v->word, "resp3") == 0) {
		int resp = v->word[4] - '0';

		g->has[resp] = true;
		vectors_bytes(v, v->rest, &g->bytes[resp]);
	} else if (strcmp(v->word, "value2") != 0 && strcmp(v->word, "value3") != 0)
		vectors_fail(v);
}

static void
every_golden_reply_is_written_and_hiredis_reads_it(void **state)
{
	struct vectors v;
	struct golden g = { 0 };
	int cases = 0;

	vectors_open(&v, "replies.txt");
	while (vectors_next(&v)) {
		if (strcmp(v.word, "case") == 0) {
			end_golden(&v, &g);
			snprintf(g.name, sizeof g.name, "%s", v.rest);
			cases++;
		} else
			read_golden(&v, &g);
	}
	end_golden(&v, &g);
	assert_true(cases > 20);
}

/* -- one promise each */

static void
the_longest_error_is_whole(void **state)
{
	struct berth_error e = { .code = BERTH_UNAVAILABLE };
	struct text out = { 0 };
	struct reply r = { .resp = 2, .put = put_text, .sink = &out };

	memset(e.message, 'x', sizeof e.message - 1);
	reply_error(&r, &e);
	assert_int_equal(out.len, strlen("-UNAVAILABLE ") + sizeof e.message - 1 + 2);
	assert_memory_equal(out.data + out.len - 3, "x\r\n", 3);
	free(out.data);
}

static void
put_nowhere(void *sink, const void *data, size_t len)
{
}

static void
push_in_resp2(void *arg)
{
	reply_push(&(struct reply){ .resp = 2, .put = put_nowhere }, 1);
}

static void
error_that_is_none(void *arg)
{
	reply_error(&(struct reply){ .resp = 2, .put = put_nowhere }, &(struct berth_error){ 0 });
}

static void
reply_without_a_protocol(void *arg)
{
	reply_int(&(struct reply){ .put = put_nowhere }, 1);
}

static void
a_push_before_HELLO_3_is_a_bug(void **state)
{
	assert_true(unit_aborts(push_in_resp2, NULL));
}

static void
an_error_without_a_code_is_a_bug(void **state)
{
	assert_true(unit_aborts(error_that_is_none, NULL));
}

static void
a_reply_in_no_protocol_is_a_bug(void **state)
{
	assert_true(unit_aborts(reply_without_a_protocol, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_golden_reply_is_written_and_hiredis_reads_it),
		cmocka_unit_test(the_longest_error_is_whole),
		cmocka_unit_test(a_push_before_HELLO_3_is_a_bug),
		cmocka_unit_test(an_error_without_a_code_is_a_bug),
		cmocka_unit_test(a_reply_in_no_protocol_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
