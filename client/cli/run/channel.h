/* SPDX-License-Identifier: MIT */
/* The line between main and the keeper; its closing tells each that the other is gone. */
#pragma once

/* clang-format off */
/*  message  sent by  value */
#define CHANNEL_MESSAGES(X)                                                  \
	X(SIGNAL,  main,   "pass this signal on to CMD")                     \
	X(STOP,    main,   "give up the start, clean up")                    \
	X(STARTED, keeper, "CMD runs, as this pid")                          \
	X(ENDED,   keeper, "CMD ended with this wait status; cleaning up")   \
	X(FAILED,  keeper, "the start failed (and why was said); exit status")
/* clang-format on */

enum message_kind {
#define X(kind, by, value) MESSAGE_##kind,
	CHANNEL_MESSAGES(X)
#undef X
};

struct message {
	enum message_kind kind;
	int value;
};

/* Two ends, closed on exec. */
int channel_open(int ends[2]);
/* Whether it reached the other side's queue; false when that side is gone. */
_Bool channel_send(int end, enum message_kind kind, int value);
/* Without waiting: 1 a message, 0 none now, -1 the other side is gone. */
int channel_receive(int end, struct message *ret);
