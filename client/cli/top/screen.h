/* SPDX-License-Identifier: MIT */
/*
 * screen: the terminal of `berth top`: taken over, drawn a frame at a time, given back however it ends.
 *
 * Plain escape sequences that every terminal of today knows; a frame is one write, so that it does not
 * flicker over ssh.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SCREEN_CELL_MAX = 512 };

struct screen {
	bool terminal; /* else a frame is plain text */
	bool utf8;
	int rows, columns;
	int line;      /* lines of this frame so far */
	FILE *out;     /* the frame under construction */
	char *text;
	size_t size;
};

enum style { STYLE_PLAIN, STYLE_HEAD, STYLE_DIM, STYLE_BAD };

void screen_open(struct screen *screen);
void screen_close(struct screen *screen);

/* Begins a frame, as large as the terminal is now. */
void screen_begin(struct screen *screen);
/* A line of text, cut where the terminal ends; nothing below its last line. */
void screen_line(struct screen *screen, enum style style, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* How many more lines fit; many where it is no terminal. */
int screen_left(const struct screen *screen);
void screen_end(struct screen *screen);

/* Waits for so many ms, a key or a change of size. False: somebody wants to leave. */
bool screen_wait(struct screen *screen, int ms);

/* A line of blocks as high as the numbers, the newest last, `width` at most. Returns buf. */
char *screen_spark(const struct screen *screen, const long long *numbers, int count, int width, char buf[SCREEN_CELL_MAX]);
