/* SPDX-License-Identifier: MIT */
/* Messages between main and the keeper over a socket pair that keeps their boundaries. */
#include "client/cli/run/channel.h"

#include <errno.h>
#include <sys/socket.h>

int
channel_open(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

_Bool
channel_send(int end, enum message_kind kind, int value)
{
	const struct message message = { .kind = kind, .value = value };

	return send(end, &message, sizeof message, MSG_NOSIGNAL) == sizeof message;
}

int
channel_receive(int end, struct message *ret)
{
	struct message message;
	ssize_t n = recv(end, &message, sizeof message, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof message)
		return -1;
	*ret = message;
	return 1;
}
