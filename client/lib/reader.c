/* SPDX-License-Identifier: MIT */
/* Replies: hiredis' reader parses them, we build our own of them and refuse what is too large. */
#include "client/lib/client.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#if HIREDIS_MAJOR >= 1
typedef size_t reader_count; /* the type createArray takes */
#else
typedef int reader_count;
#endif

void
libberth_budget_start(struct reply_budget *budget)
{
	*budget = (struct reply_budget){ .bytes = REPLY_BYTES_MAX, .items = REPLY_ITEMS_MAX };
}

static void
reply_free(void *obj)
{
	struct berth_reply *reply = obj;

	if (!reply)
		return;
	for (size_t i = 0; i < reply->count; i++)
		reply_free(reply->items[i]);
	free(reply->items);
	free(reply->text);
	free(reply);
}

void
berth_reply_free(struct berth_reply *reply)
{
	reply_free(reply);
}

/* The reader treats NULL as "out of memory"; the budget says when it was ours to refuse. */
static void *
refuse(const redisReadTask *task)
{
	struct reply_budget *budget = task->privdata;

	budget->exceeded = true;
	return NULL;
}

static struct berth_reply *
reply_new(const redisReadTask *task, enum berth_reply_type type)
{
	struct berth_reply *reply = calloc(1, sizeof *reply);

	if (reply)
		reply->type = type;
	return reply;
}

/* Hands a finished reply to the array it belongs to, if any. */
static void *
reply_place(const redisReadTask *task, struct berth_reply *reply)
{
	if (reply && task->parent) {
		struct berth_reply *parent = task->parent->obj;

		parent->items[task->idx] = reply;
	}
	return reply;
}

static void *
create_string(const redisReadTask *task, char *str, size_t len)
{
	bool error = task->type == REDIS_REPLY_ERROR;
	struct berth_reply *reply = reply_new(task, error ? BERTH_REPLY_ERROR : BERTH_REPLY_TEXT);

	if (!reply)
		return NULL;
	reply->text = malloc(len + 1);
	if (!reply->text) {
		free(reply);
		return NULL;
	}
	memcpy(reply->text, str, len);
	reply->text[len] = '\0';
	reply->len = len;
	return reply_place(task, reply);
}

static int
depth(const redisReadTask *task)
{
	int n = 0;

	for (; task->parent; task = task->parent)
		n++;
	return n;
}

static void *
create_array(const redisReadTask *task, reader_count elements)
{
	struct reply_budget *budget = task->privdata;
	size_t count = (size_t)elements;
	struct berth_reply *reply;

	if (count > budget->items || depth(task) >= REPLY_DEPTH_MAX)
		return refuse(task);
	budget->items -= count;
	reply = reply_new(task, BERTH_REPLY_ARRAY);
	if (!reply)
		return NULL;
	reply->items = calloc(count ? count : 1, sizeof(struct berth_reply *));
	if (!reply->items) {
		free(reply);
		return NULL;
	}
	reply->count = count;
	return reply_place(task, reply);
}

static void *
create_integer(const redisReadTask *task, long long value)
{
	struct berth_reply *reply = reply_new(task, BERTH_REPLY_INTEGER);

	if (reply)
		reply->integer = value;
	return reply_place(task, reply);
}

static void *
create_null(const redisReadTask *task)
{
	return reply_place(task, reply_new(task, BERTH_REPLY_NULL));
}

#if HIREDIS_MAJOR >= 1
/* Types of RESP3, which nobody asked for. */
static void *
create_double(const redisReadTask *task, double value, char *str, size_t len)
{
	return refuse(task);
}

static void *
create_bool(const redisReadTask *task, int value)
{
	return refuse(task);
}
#endif

static redisReplyObjectFunctions functions = {
	.createString = create_string,
	.createArray = create_array,
	.createInteger = create_integer,
	.createNil = create_null,
#if HIREDIS_MAJOR >= 1
	.createDouble = create_double,
	.createBool = create_bool,
#endif
	.freeObject = reply_free,
};

struct redisReader *
libberth_reader_new(struct reply_budget *budget)
{
	redisReader *reader = redisReaderCreateWithFunctions(&functions);

	if (!reader)
		return NULL;
	reader->privdata = budget;
	reader->maxbuf = 0; /* else it shrinks its buffer, and asserts that there is memory */
	libberth_budget_start(budget);
	return reader;
}
