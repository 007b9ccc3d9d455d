/* SPDX-License-Identifier: MIT */
/* The verbs with small answers: RENEW, RELEASE, DETACH, INFO, PING, SHUTDOWN. */
#include "client/lib/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 24 };

const char *
berth_version(void)
{
	return BERTH_VERSION;
}

int
berth_renew(struct berth_client *c, const char *id, long long ttl_ms, long long *left_ms,
            struct berth_error *e)
{
	char number[NUMBER_BYTES];
	const char *words[] = { "RENEW", id, "TTL", number };
	struct berth_reply *reply = NULL;

	snprintf(number, sizeof number, "%lld", ttl_ms);
	if (libberth_ask(c, 0, ttl_ms ? 4 : 2, words, BERTH_REPLY_INTEGER, &reply, e) < 0)
		return -1;
	if (left_ms)
		*left_ms = reply->integer;
	berth_reply_free(reply);
	return 0;
}

int
berth_release(struct berth_client *c, const char *id, long long keep_ms, struct berth_error *e)
{
	char number[NUMBER_BYTES];
	const char *words[] = { "RELEASE", id, "KEEP", number };

	snprintf(number, sizeof number, "%lld", keep_ms);
	if (libberth_tell(c, 0, keep_ms ? 4 : 2, words, e) < 0)
		return -1;
	libberth_let_go(c, id);
	return 0;
}

int
berth_detach(struct berth_client *c, const char *id, struct berth_error *e)
{
	const char *words[] = { "DETACH", id };

	if (libberth_tell(c, 0, 2, words, e) < 0)
		return -1;
	libberth_let_go(c, id);
	return 0;
}

int
berth_info(struct berth_client *c, const char *section, char **ret, struct berth_error *e)
{
	const char *words[] = { "INFO", section };
	struct berth_reply *reply = NULL;

	if (libberth_ask(c, 0, section ? 2 : 1, words, BERTH_REPLY_TEXT, &reply, e) < 0)
		return -1;
	*ret = reply->text;
	reply->text = NULL;
	berth_reply_free(reply);
	return 0;
}

int
berth_ping(struct berth_client *c, long long *round_trip_us, struct berth_error *e)
{
	const char *words[] = { "PING" };
	int64_t start = libberth_now_us();

	if (libberth_tell(c, 0, 1, words, e) < 0)
		return -1;
	if (round_trip_us)
		*round_trip_us = libberth_now_us() - start;
	return 0;
}

int
berth_shutdown(struct berth_client *c, enum berth_shutdown how, struct berth_error *e)
{
	static const char *const hows[] = { NULL, "NOW", "HANDOVER" };
	const char *words[] = { "SHUTDOWN", hows[how] };

	return libberth_tell(c, BERTH_WAIT_FOREVER, hows[how] ? 2 : 1, words, e);
}
