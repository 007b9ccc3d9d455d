/* SPDX-License-Identifier: MIT */
/* A pipe between CMD's stderr and ours. */
#include "client/cli/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
same_file(int one, int other)
{
	struct stat a, b;

	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev
	       && a.st_ino == b.st_ino;
}

void
tap_open(struct tap *tap)
{
	bool everything = tap->everything;
	int ends[2];

	*tap = (struct tap){ .everything = everything, .in = -1, .out = -1, .on_sigpipe = signal(SIGPIPE, SIG_IGN) };
	if ((!everything && isatty(STDERR_FILENO)) || fcntl(STDERR_FILENO, F_GETFD) < 0
	    || pipe2(ends, O_CLOEXEC) < 0)
		return;
	tap->in = ends[0];
	tap->out = ends[1];
	tap->both = everything || same_file(STDOUT_FILENO, STDERR_FILENO);
	fcntl(tap->in, F_SETFL, O_NONBLOCK);
}

void
tap_become(const struct tap *tap)
{
	signal(SIGPIPE, tap->on_sigpipe);
	if (tap->out < 0)
		return;
	dup2(tap->out, STDERR_FILENO);
	if (tap->both)
		dup2(tap->out, STDOUT_FILENO);
}

void
tap_started(struct tap *tap)
{
	if (tap->out >= 0)
		close(tap->out);
	tap->out = -1;
}

/* CMD gets SIGPIPE then, as if it had written to our stderr itself. */
static void
hang_up(struct tap *tap)
{
	if (tap->in >= 0)
		close(tap->in);
	tap->in = -1;
	tap->pending_len = 0;
}

struct pollfd
tap_wants(const struct tap *tap)
{
	if (tap->pending_len) /* of a pipe that can be written to PIPE_BUF bytes can be written */
		return (struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT };
	return (struct pollfd){ .fd = tap->in, .events = POLLIN };
}

static void
remember(struct tap *tap)
{
	size_t fits = TAP_TAIL - tap->pending_len;

	if (tap->tail_len > fits) {
		memmove(tap->tail, tap->tail + tap->tail_len - fits, fits);
		tap->tail_len = fits;
	}
	memcpy(tap->tail + tap->tail_len, tap->pending, tap->pending_len);
	tap->tail_len += tap->pending_len;
}

/* Whether there is something to pass on now. */
static bool
take(struct tap *tap)
{
	ssize_t n = read(tap->in, tap->pending, sizeof tap->pending);

	if (n > 0) {
		tap->pending_len = (size_t)n;
		remember(tap);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		hang_up(tap);
	}
	return n > 0;
}

static void
pass_on(struct tap *tap)
{
	ssize_t n = write(STDERR_FILENO, tap->pending, tap->pending_len);

	if (n > 0) {
		tap->pending_len -= (size_t)n;
		memmove(tap->pending, tap->pending + n, tap->pending_len);
	} else if (errno != EAGAIN && errno != EINTR) {
		hang_up(tap);
	}
}

void
tap_pump(struct tap *tap)
{
	if (tap->pending_len)
		pass_on(tap);
	else if (tap->in >= 0)
		take(tap);
}

/* What was in the pipe when CMD ended, and not what those it left behind may say for ever. */
static void
drain(struct tap *tap)
{
	int capacity = fcntl(tap->in, F_GETPIPE_SZ);
	long left = (capacity > 0 ? capacity : 65536) + (long)sizeof tap->pending;
	struct pollfd pfd;

	while (tap->in >= 0 && left > 0) {
		if (!tap->pending_len && !take(tap))
			return;
		pfd = tap_wants(tap);
		left -= (long)tap->pending_len;
		if (poll(&pfd, 1, -1) > 0)
			pass_on(tap);
	}
}

void
tap_close(struct tap *tap)
{
	tap_started(tap);
	if (tap->in >= 0)
		drain(tap);
	hang_up(tap);
	signal(SIGPIPE, tap->on_sigpipe);
}

/* ---- the last words ---- */

/* The length of the UTF-8 character at `at`, 0 when it is none. */
static size_t
character(const unsigned char *at)
{
	size_t len = *at < 0x80                  ? 1
	             : *at >= 0xc2 && *at < 0xe0 ? 2
	             : *at >= 0xe0 && *at < 0xf0 ? 3
	             : *at >= 0xf0 && *at < 0xf5 ? 4
	                                         : 0;

	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f)
	    || (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

/* ESC [ … letter, or ESC and one more. */
static size_t
escape(const char *at)
{
	size_t len = 2;

	if (at[0] != '\033' || !at[1])
		return 0;
	while (at[1] == '[' && at[len] && !(at[len] >= '@' && at[len] <= '~'))
		len++;
	return at[1] == '[' && at[len] ? len + 1 : len;
}

void
text_tidy(char *text)
{
	char *to = text;

	for (size_t len; *text; text += len) {
		len = escape(text);
		if (len)
			continue;
		len = character((const unsigned char *)text);
		if (len <= 1)
			*to++ = !len                                          ? '?'
			        : (unsigned char)*text < ' ' || *text == 0x7f ? ' '
			                                                      : *text;
		else
			to = (char *)memmove(to, text, len) + len;
		len += !len;
	}
	*to = '\0';
}

/* Cuts text to `most` bytes, not within a character. */
static void
cut(char *text, size_t most)
{
	if (strlen(text) <= most)
		return;
	most -= strlen("…");
	while (most > 0 && (text[most] & 0xc0) == 0x80) /* NOLINT: it is within the text */
		most--;
	strcpy(text + most, "…");
}

/* The line in front of `*end`, tidy, without blanks at its end; moves `*end` to its beginning. */
static void
line_before(const char *text, size_t *end, char line[TAP_TAIL + 8])
{
	size_t begin = *end, len;

	while (begin > 0 && text[begin - 1] != '\n')
		begin--;
	len = *end - begin;
	memcpy(line, text + begin, len);
	line[len] = '\0';
	text_tidy(line);
	for (len = strlen(line); len > 0 && line[len - 1] == ' '; len--)
		line[len - 1] = '\0';
	cut(line, TAP_LINE_MAX);
	*end = begin;
}

void
tap_words(const struct tap *tap, char words[TAP_WORDS_MAX + 1])
{
	char line[TAP_TAIL + 8], all[TAP_WORDS_MAX + 1];
	size_t end = tap->tail_len;

	words[0] = '\0';
	for (; end > 0; end -= end > 0) { /* the newline in front */
		line_before(tap->tail, &end, line);
		if (!*line)
			continue;
		if (strlen(line) + strlen(words) + (*words ? 3 : 0) > TAP_WORDS_MAX)
			return;
		snprintf(all, sizeof all, "%s%s%s", line, *words ? " | " : "", words);
		strcpy(words, all);
	}
}
