/* SPDX-License-Identifier: MIT */
/*
 * CMD's stderr, passed on as it comes, with an eye on its last lines.
 *
 * Not on a terminal: there CMD keeps it, with its colours and its width. When stdout and stderr are
 * the same file, pipe or socket, both go through the tap, so that their order stays as it was.
 */
#pragma once

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

enum { TAP_TAIL = 4096, TAP_WORDS_MAX = 400, TAP_LINE_MAX = 200 };

struct tap {
	bool everything;             /* the caller says whether: its stdout too, and on a terminal as well */
	int in;                      /* what CMD says; -1: nothing (more) is tapped */
	int out;                     /* CMD's end, until it has started */
	bool both;                   /* its stdout is tapped too */
	void (*on_sigpipe)(int sig); /* as we found it, for CMD */
	char pending[PIPE_BUF];      /* read, and not written yet */
	size_t pending_len;
	char tail[TAP_TAIL]; /* the last of what was read */
	size_t tail_len;
};

/* Call tap_close() in any case. */
void tap_open(struct tap *tap);
/* In the child that becomes CMD. */
void tap_become(const struct tap *tap);
/* In the parent, once that child is there. */
void tap_started(struct tap *tap);
/* What to poll() for before the next tap_pump(), which then does not block. */
struct pollfd tap_wants(const struct tap *tap);
void tap_pump(struct tap *tap);
/* Passes on what is still there and lets go. Whoever CMD left behind loses its stderr. */
void tap_close(struct tap *tap);
/* The last lines that are not empty, " | " between them, as much as fits: printable UTF-8. "" for
 * none. */
void tap_words(const struct tap *tap, char words[TAP_WORDS_MAX + 1]);

/* Makes text fit for errors and terminals: no escape sequences, blanks for control, valid UTF-8. */
void text_tidy(char *text);
