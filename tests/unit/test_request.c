/* SPDX-License-Identifier: MIT */
/* The request parser: golden vectors, random streams split anywhere, random damage, linearity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/request.h"
#include "tests/unit/stream.h"
#include "tests/unit/unit.h"
#include "tests/unit/vectors.h"

/* -- golden vectors */

struct golden {
	char name[128];
	struct text in;
	struct text expected; /* as a stream writes it down */
};

static void
golden_req(const struct vectors *v, char *rest, struct golden *g)
{
	struct text args[LIMIT_REQUEST_ARGS] = { 0 };
	struct request request = { 0 };

	while (request.argc < LIMIT_REQUEST_ARGS && vectors_arg(v, &rest, &args[request.argc])) {
		struct text *arg = &args[request.argc];

		request.argv[request.argc++] = (struct request_arg){ arg->data, arg->len };
	}
	assert_string_equal(rest, "");
	stream_say_request(&g->expected, &request);
	for (int i = 0; i < request.argc; i++)
		free(args[i].data);
}

/* What a stream writes down for g->in, cut into pieces of `piece` bytes, is what is expected. */
static void
check_golden(const struct golden *g, size_t piece)
{
	struct stream s;

	stream_init(&s);
	for (size_t at = 0; at < g->in.len; at += piece)
		stream_feed(&s, g->in.data + at, at + piece < g->in.len ? piece : g->in.len - at);
	stream_end(&s);
	if (s.said.len != g->expected.len
	    || (s.said.len && memcmp(s.said.data, g->expected.data, s.said.len) != 0))
		fail_msg("%s, in pieces of %zu:\n%.*sinstead of\n%.*s", g->name, piece,
		         (int)s.said.len, s.said.data, (int)g->expected.len, g->expected.data);
	stream_fini(&s);
}

static void
end_golden(struct golden *g)
{
	static const size_t pieces[] = { 1 << 20, 4096, 7, 3, 2, 1 };

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		if (g->in.len < 10000 || pieces[i] > 1000)
			check_golden(g, pieces[i]);
	free(g->in.data);
	free(g->expected.data);
	*g = (struct golden){ 0 };
}

static void
every_golden_request_is_read_whole_and_in_pieces(void **state)
{
	struct vectors v;
	struct golden g = { 0 };
	int cases = 0;

	vectors_open(&v, "requests.txt");
	while (vectors_next(&v)) {
		if (strcmp(v.word, "case") == 0) {
			end_golden(&g);
			snprintf(g.name, sizeof g.name, "%s", v.rest);
			cases++;
		} else if (strcmp(v.word, "in") == 0)
			vectors_bytes(&v, v.rest, &g.in);
		else if (strcmp(v.word, "req") == 0)
			golden_req(&v, v.rest, &g);
		else if (strcmp(v.word, "more") == 0)
			text_addf(&g.expected, "more\n");
		else if (strcmp(v.word, "bad") == 0)
			text_addf(&g.expected, "bad %s\n", v.rest);
		else
			vectors_fail(&v);
	}
	end_golden(&g);
	assert_true(cases > 50);
}

/* -- random streams */

static void
random_array(struct rng *rng, struct text *bytes)
{
	int argc = 1 + rng_below(rng, rng_below(rng, 8) ? 6 : LIMIT_REQUEST_ARGS);

	text_addf(bytes, "*%d\r\n", argc);
	while (argc--) {
		uint32_t len = rng_below(rng, rng_below(rng, 8) ? 12 : 700);

		text_addf(bytes, "$%u\r\n", len);
		while (len--) /* half of them are bytes that mean something */
			text_addf(bytes, "%c",
			          "\r\n$*\"' 0"[rng_below(rng, 8)] + rng_below(rng, 2));
		text_addf(bytes, "\r\n");
	}
}

static void
random_line(struct rng *rng, struct text *bytes)
{
	static const char *const words[] = { "PING", "\"a b\"", "''", "x\\y",
		                             "$3",   "'*\"'",   "\t", "  " };

	for (int n = rng_below(rng, 9); n > 0; n--)
		text_addf(bytes, "%s ", words[rng_below(rng, 8)]);
	text_addf(bytes, "%s", rng_below(rng, 2) ? "\r\n" : "\n");
}

static void
random_requests(struct rng *rng, struct text *bytes)
{
	for (int n = 1 + rng_below(rng, 8); n > 0; n--)
		switch (rng_below(rng, 6)) {
		case 0: text_addf(bytes, "*0\r\n"); break;
		case 1: text_addf(bytes, "*-1\r\n"); break;
		case 2: random_line(rng, bytes); break;
		default: random_array(rng, bytes);
		}
}

static void
feed_in_pieces(struct stream *s, struct rng *rng, const struct text *bytes)
{
	size_t at = 0;

	stream_init(s);
	while (at < bytes->len) {
		size_t piece = 1 + rng_below(rng, rng_below(rng, 2) ? 3 : 500);

		piece = piece < bytes->len - at ? piece : bytes->len - at;
		stream_feed(s, bytes->data + at, piece);
		at += piece;
	}
	stream_end(s);
}

static void
feed_whole(struct stream *s, const struct text *bytes)
{
	stream_init(s);
	stream_feed(s, bytes->data, bytes->len);
	stream_end(s);
}

static void
assert_said_the_same(const struct stream *a, const struct stream *b)
{
	assert_int_equal(a->said.len, b->said.len);
	if (a->said.len)
		assert_memory_equal(a->said.data, b->said.data, a->said.len);
}

static void
a_stream_split_anywhere_is_the_same_requests(void **state)
{
	struct rng rng = { unit_seed() };
	int requests = 0;

	for (int round = 0; round < 2000; round++) {
		struct text bytes = { 0 };
		struct stream whole, pieces;

		random_requests(&rng, &bytes);
		feed_whole(&whole, &bytes);
		feed_in_pieces(&pieces, &rng, &bytes);
		assert_false(whole.dead);
		assert_int_equal(whole.buf.len, 0);
		assert_said_the_same(&whole, &pieces);
		requests += whole.requests;
		stream_fini(&whole);
		stream_fini(&pieces);
		free(bytes.data);
	}
	assert_true(requests > 2000);
}

static void
damage(struct rng *rng, struct text *bytes)
{
	for (int n = 1 + rng_below(rng, 3); n > 0 && bytes->len > 2; n--) {
		size_t at = rng_below(rng, bytes->len);

		switch (rng_below(rng, 4)) {
		case 0: bytes->data[at] = rng_below(rng, 256); break;
		case 1: bytes->data[at] = "*$\r\n-0199\"'"[rng_below(rng, 11)]; break;
		case 2: bytes->len = at + 1; break;
		case 3:
			bytes->len--;
			memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at);
		}
	}
}

/* The promises are asserted in stream.c, at every call. */
static void
a_damaged_stream_breaks_no_promise_however_it_is_split(void **state)
{
	struct rng rng = { unit_seed() + 1 };
	int dead = 0;

	for (int round = 0; round < 5000; round++) {
		struct text bytes = { 0 };
		struct stream whole, pieces;

		random_requests(&rng, &bytes);
		damage(&rng, &bytes);
		feed_whole(&whole, &bytes);
		feed_in_pieces(&pieces, &rng, &bytes);
		assert_said_the_same(&whole, &pieces);
		dead += whole.dead;
		stream_fini(&whole);
		stream_fini(&pieces);
		free(bytes.data);
	}
	assert_in_range(dead, 500, 4900);
}

/* -- one promise each */

/* Gives `bytes` one at a time; what the parser need not look at again is spoiled in between. */
static enum request_result
parse_spoiling(const char *bytes, size_t len, bool also_searched)
{
	struct request_parser p = { 0 };
	enum request_result result = REQUEST_MORE;
	char *buf = malloc(len);
	struct request request;
	size_t used;

	assert_non_null(buf);
	for (size_t i = 0; i < len && result == REQUEST_MORE; i++) {
		buf[i] = bytes[i];
		result = request_parse(&p, buf, i + 1, &request, &used, NULL);
		assert_true(result != REQUEST_MORE || p.in_bulk || p.at + p.scanned == i + 1);
		memset(buf, '\n', p.at + (also_searched ? p.scanned : 0));
	}
	free(buf);
	return result;
}

static void
no_byte_of_a_line_is_searched_twice(void **state)
{
	static char line[LIMIT_INLINE_BYTES];

	memset(line, 'x', sizeof line);
	assert_int_equal(parse_spoiling(line, sizeof line - 1, true), REQUEST_MORE);
	assert_int_equal(parse_spoiling(line, sizeof line, true), REQUEST_BAD);
}

static void
no_piece_of_an_array_is_understood_twice(void **state)
{
	static const char bytes[] = "*3\r\n$4\r\nECHO\r\n$11\r\nhello there\r\n$0\r\n\r\n";

	assert_int_equal(parse_spoiling(bytes, sizeof bytes - 1, false), REQUEST_READY);
}

static void
a_null_error_is_allowed(void **state)
{
	struct request_parser p = { 0 };
	struct request request;
	size_t used;

	assert_int_equal(request_parse(&p, "*x\r\n", 4, &request, &used, NULL), REQUEST_BAD);
}

static void
no_bytes_are_an_incomplete_request(void **state)
{
	struct request_parser p = { 0 };
	struct request request;
	size_t used = 9;

	assert_int_equal(request_parse(&p, NULL, 0, &request, &used, NULL), REQUEST_MORE);
	assert_int_equal(used, 0);
}

static struct request_arg
arg(const char *text)
{
	return (struct request_arg){ text, strlen(text) };
}

static void
a_word_is_compared_without_case_and_whole(void **state)
{
	static const struct {
		const char *arg, *word;
		bool is;
	} rows[] = {
		{ "acquire", "ACQUIRE", true },
		{ "AcQuIrE", "ACQUIRE", true },
		{ "ACQUIR", "ACQUIRE", false },
		{ "ACQUIRES", "ACQUIRE", false },
		{ "", "", true },
		{ "", "A", false },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_arg a = arg(rows[i].arg);

		assert_int_equal(request_arg_is(&a, rows[i].word), rows[i].is);
	}
	assert_false(request_arg_is(&(struct request_arg){ "PING\0X", 6 }, "PING"));
}

static void
an_integer_is_decimal_without_tricks(void **state)
{
	static const struct {
		const char *arg;
		int64_t value;
	} rows[] = {
		{ "0", 0 },
		{ "7", 7 },
		{ "-1", -1 },
		{ "1000", 1000 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_arg a = arg(rows[i].arg);
		int64_t value = 99;

		assert_true(request_arg_int(&a, &value));
		assert_int_equal(value, rows[i].value);
	}
}

static void
anything_else_is_no_integer_and_leaves_the_output_alone(void **state)
{
	static const char *const rows[] = {
		"", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "1e3", "0x1", "one", "--1", "1-",
		"9223372036854775808", "-9223372036854775809", "99999999999999999999999",
	};
	int64_t value = 99;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct request_arg a = arg(rows[i]);

		if (request_arg_int(&a, &value))
			fail_msg("'%s' was read as %lld", rows[i], (long long)value);
	}
	assert_false(request_arg_int(&(struct request_arg){ "1\0", 2 }, &value));
	assert_int_equal(value, 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_golden_request_is_read_whole_and_in_pieces),
		cmocka_unit_test(a_stream_split_anywhere_is_the_same_requests),
		cmocka_unit_test(a_damaged_stream_breaks_no_promise_however_it_is_split),
		cmocka_unit_test(no_byte_of_a_line_is_searched_twice),
		cmocka_unit_test(no_piece_of_an_array_is_understood_twice),
		cmocka_unit_test(a_null_error_is_allowed),
		cmocka_unit_test(no_bytes_are_an_incomplete_request),
		cmocka_unit_test(a_word_is_compared_without_case_and_whole),
		cmocka_unit_test(an_integer_is_decimal_without_tricks),
		cmocka_unit_test(anything_else_is_no_integer_and_leaves_the_output_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
