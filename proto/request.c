/* SPDX-License-Identifier: MIT */
/* The request parser of request.h: one step at a time, each step a whole line or a whole bulk. */
#include "proto/request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* What one step came to. */
enum step {
	STARVED, /* there are not enough bytes for a step */
	ON,      /* a piece was understood; there may be another */
	EMPTY,   /* a request without arguments: skip it */
	WHOLE,   /* the last piece of a request */
	BROKEN,  /* the error is set */
};

/* One call of request_parse(). */
struct reading {
	struct request_parser *p;
	const char *buf;
	size_t len;
	size_t start; /* where the request begins: behind the empty ones */
	struct berth_error *e;
};

static enum step __attribute__((format(printf, 3, 4)))
broken(struct reading *r, enum berth_error_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	berth_error_vset(r->e, code, fmt, ap);
	va_end(ap);
	return BROKEN;
}

/*
 * Finds the end of the line at p->at. Its length, without the '\n', is in *ret_len after ON. What
 * was searched is remembered; no line is searched beyond `max` bytes, its end included, nor beyond
 * the longest request, so that a buffer of that size is never full of an incomplete one.
 */
static enum step
find_line(struct reading *r, const char *what, size_t max, size_t *ret_len)
{
	struct request_parser *p = r->p;
	const char *line = r->buf + p->at;
	size_t there = r->len - p->at;
	size_t room = LIMIT_REQUEST_BYTES - (p->at - r->start);
	size_t limit = room < max ? room : max;
	size_t window = there < limit ? there : limit;
	const char *end = memchr(line + p->scanned, '\n', window - p->scanned);

	if (end) {
		p->scanned = 0;
		*ret_len = end - line;
		return ON;
	}
	if (window == limit)
		return broken(r, BERTH_LIMIT,
		              "%s may have at most %zu bytes; this one does not end within them",
		              room < max ? "a request" : what,
		              room < max ? LIMIT_REQUEST_BYTES : max);
	p->scanned = window;
	return STARVED;
}

/*
 * Digits without sign and without leading zeros. A number beyond every limit stays there instead of
 * overflowing, so that it is refused as too large and not as malformed.
 */
static bool
parse_size(const char *s, size_t len, size_t *ret)
{
	size_t value = 0;

	if (len == 0 || (s[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (value <= LIMIT_REQUEST_BYTES)
			value = value * 10 + (s[i] - '0');
	}
	*ret = value;
	return true;
}

/* Reads the header line at p->at, of which `*text` is what stands between its type and its CRLF. */
static enum step
read_header(struct reading *r, struct request_arg *text)
{
	const char *line = r->buf + r->p->at;
	size_t len = 0;
	enum step step = find_line(r, "a header line", LIMIT_HEADER_BYTES, &len);

	if (step != ON)
		return step;
	if (line[len - 1] != '\r')
		return broken(r, BERTH_ERR, "Protocol error: a header line must end in CRLF");
	*text = (struct request_arg){ line + 1, len - 2 };
	r->p->at += len + 1;
	return ON;
}

static enum step
read_array_header(struct reading *r)
{
	struct request_arg text = { 0 };
	size_t count;
	enum step step = read_header(r, &text);

	if (step != ON)
		return step;
	if (request_arg_is(&text, "-1")) /* the null array; Redis skips it too */
		return EMPTY;
	if (!parse_size(text.ptr, text.len, &count))
		return broken(r, BERTH_ERR, "Protocol error: invalid multibulk length");
	if (count > LIMIT_REQUEST_ARGS)
		return broken(r, BERTH_LIMIT,
		              "a request may have at most %d arguments; this one announced %.*s",
		              LIMIT_REQUEST_ARGS, (int)text.len, text.ptr);
	r->p->expected = count;
	return count ? ON : EMPTY;
}

static enum step
read_bulk_header(struct reading *r)
{
	struct request_parser *p = r->p;
	unsigned char type = r->buf[p->at];
	struct request_arg text = { 0 };
	size_t size;
	enum step step;

	if (type != '$')
		return broken(r, BERTH_ERR, "Protocol error: expected '$', got '%c'",
		              type < ' ' || type > '~' ? '?' : type);
	step = read_header(r, &text);
	if (step != ON)
		return step;
	if (!parse_size(text.ptr, text.len, &size))
		return broken(r, BERTH_ERR, "Protocol error: invalid bulk length");
	/* Every argument that is still to come takes a "$0" and two ends of line at least. */
	if (p->at - r->start + size + 2 + 6 * (p->expected - p->have - 1) > LIMIT_REQUEST_BYTES)
		return broken(r, BERTH_LIMIT,
		              "a request may have at most %d bytes; this one announced %.*s",
		              LIMIT_REQUEST_BYTES, (int)text.len, text.ptr);
	p->bulk_len = size;
	p->in_bulk = true;
	return ON;
}

static void
keep_arg(struct request_parser *p, size_t offset, size_t len)
{
	assert(p->have < LIMIT_REQUEST_ARGS);
	p->offset[p->have] = offset;
	p->length[p->have] = len;
	p->have++;
}

static enum step
read_bulk(struct reading *r)
{
	struct request_parser *p = r->p;

	if (r->len - p->at < p->bulk_len + 2)
		return STARVED;
	if (memcmp(r->buf + p->at + p->bulk_len, "\r\n", 2) != 0)
		return broken(r, BERTH_ERR,
		              "Protocol error: a bulk of %zu bytes is not followed by CRLF",
		              p->bulk_len);
	keep_arg(p, p->at, p->bulk_len);
	p->at += p->bulk_len + 2;
	p->in_bulk = false;
	return p->have == p->expected ? WHOLE : ON;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * The word in quotes at *s, which is moved behind it. Arguments point into the buffer, so there can
 * be no escapes: a backslash is refused rather than misunderstood.
 */
static enum step
read_quoted(struct reading *r, const char **s, const char *end)
{
	const char *begin = *s + 1;
	const char *close = memchr(begin, **s, end - begin);

	if (!close || (close + 1 < end && !is_space(close[1])))
		return broken(r, BERTH_ERR, "Protocol error: unbalanced quotes in request");
	if (memchr(begin, '\\', close - begin))
		return broken(r, BERTH_ERR,
		              "Protocol error: an inline request cannot have escapes in quotes");
	keep_arg(r->p, begin - r->buf, close - begin);
	*s = close + 1;
	return ON;
}

/* The word without quotes at *s, which is moved behind it. */
static enum step
read_word(struct reading *r, const char **s, const char *end)
{
	const char *begin = *s, *c = begin;

	for (; c < end && !is_space(*c); c++) {
		if (*c == '"' || *c == '\'')
			return broken(r, BERTH_ERR, "Protocol error: unbalanced quotes in request");
		if (*c == '\0')
			return broken(r, BERTH_ERR,
			              "Protocol error: a NUL byte in an inline request");
	}
	keep_arg(r->p, begin - r->buf, c - begin);
	*s = c;
	return ON;
}

static enum step
split_line(struct reading *r, const char *s, const char *end)
{
	enum step step = ON;

	while (step == ON) {
		while (s < end && is_space(*s))
			s++;
		if (s == end)
			return r->p->have ? WHOLE : EMPTY;
		if (r->p->have == LIMIT_REQUEST_ARGS)
			return broken(r, BERTH_LIMIT,
			              "a request may have at most %d arguments; this one has more",
			              LIMIT_REQUEST_ARGS);
		step = *s == '"' || *s == '\'' ? read_quoted(r, &s, end) : read_word(r, &s, end);
	}
	return step;
}

static enum step
read_inline(struct reading *r)
{
	const char *line = r->buf + r->p->at;
	size_t len = 0;
	enum step step = find_line(r, "an inline request", LIMIT_INLINE_BYTES, &len);

	if (step != ON)
		return step;
	r->p->at += len + 1;
	return split_line(r, line, line + len);
}

static enum step
read_step(struct reading *r)
{
	struct request_parser *p = r->p;

	if (p->at == r->len)
		return STARVED;
	if (p->in_bulk)
		return read_bulk(r);
	if (p->expected)
		return read_bulk_header(r);
	return r->buf[p->at] == '*' ? read_array_header(r) : read_inline(r);
}

static void
hand_over(const struct request_parser *p, const char *buf, struct request *out)
{
	out->argc = p->have;
	for (int i = 0; i < p->have; i++)
		out->argv[i] = (struct request_arg){ buf + p->offset[i], p->length[i] };
}

enum request_result
request_parse(struct request_parser *p, const char *buf, size_t len, struct request *out,
              size_t *used, struct berth_error *e)
{
	struct reading r = { .p = p, .buf = buf, .len = len, .e = e };
	enum step step;

	assert(p->at + p->scanned <= len);
	*used = 0;
	while ((step = read_step(&r)) == ON || step == EMPTY)
		if (step == EMPTY)
			r.start = p->at;
	if (step == BROKEN)
		return REQUEST_BAD;
	if (step == STARVED && r.start == 0)
		return REQUEST_MORE;
	if (step == WHOLE)
		hand_over(p, buf, out);
	/* Whatever incomplete request follows the empty ones is begun anew, once. */
	*used = step == WHOLE ? p->at : r.start;
	*p = (struct request_parser){ 0 };
	return step == WHOLE ? REQUEST_READY : REQUEST_MORE;
}

bool
request_arg_is(const struct request_arg *arg, const char *word)
{
	return strlen(word) == arg->len && strncasecmp(arg->ptr, word, arg->len) == 0;
}

bool
request_arg_int(const struct request_arg *arg, int64_t *ret)
{
	bool negative = arg->len > 0 && arg->ptr[0] == '-';
	const char *digits = arg->ptr + negative;
	size_t len = arg->len - negative;
	int64_t value = 0;

	if (len == 0 || (digits[0] == '0' && (len > 1 || negative)))
		return false;
	for (size_t i = 0; i < len; i++) {
		int digit = digits[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value)
		    || __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*ret = value;
	return true;
}
