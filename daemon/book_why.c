/* SPDX-License-Identifier: MIT */
/* What a lease waits for, in words. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/base/clock.h"
#include "daemon/book.h"
#include "daemon/pool.h"
#include "daemon/redis_pool.h"
#include "daemon/template.h"

static const struct lease *
oldest_with_redis(const struct book *book)
{
	const struct lease *lease, *oldest = NULL;

	for (lease = book->by_id; lease; lease = lease->by_id.next)
		if (lease->state == LEASE_HELD && lease->redis && (!oldest || lease->granted < oldest->granted))
			oldest = lease;
	return oldest;
}

static void
say_template(const struct lease *lease, char *buffer, size_t size)
{
	const struct template *template = lease->want.template;

	if ((template->state == TEMPLATE_THEIRS && *template->builder)
	    || (template->state == TEMPLATE_OURS && template->lease))
		snprintf(buffer, size, "template %.80s is being built by %s", template->key, template->builder);
	else if (template->state == TEMPLATE_OURS)
		snprintf(buffer, size, "a slot to build template %.80s in is being made", template->key);
	else
		snprintf(buffer, size, "the registry is asked for template %.80s", template->key);
}

static void
say_redis(const struct lease *lease, char *buffer, size_t size)
{
	const struct book *book = lease->book;
	const struct lease *oldest = oldest_with_redis(book);
	int used = snprintf(buffer, size, "%s", book->redis_pool->why.code ? book->redis_pool->why.message
	                                                                   : "a Redis database is being claimed");

	if (book->redis_pool->why.code == BERTH_LIMIT && oldest && used > 0 && (size_t)used < size)
		snprintf(buffer + used, size - (size_t)used,
		         "; the oldest here is run %s worker %s, pid %d, held %" PRId64 " s (berth release %s/%s)",
		         oldest->run, oldest->worker, (int)oldest->pid, (clock_now() - oldest->granted) / 1000000,
		         oldest->run, oldest->worker);
}

const char *
book_why(const struct lease *lease, char *buffer, size_t size)
{
	const struct book *book = lease->book;
	struct berth_error e;

	if (lease->state != LEASE_WAITING)
		return NULL;
	if (!book_usable(book, lease->want.redis, &e))
		snprintf(buffer, size, "%s", e.message);
	else if (lease->failure.code != BERTH_OK)
		snprintf(buffer, size, "%s", lease->failure.message);
	else if (lease->want.template && lease->want.template->state != TEMPLATE_SEALED)
		say_template(lease, buffer, size);
	else if (book_is_named(lease) && !lease->slot)
		snprintf(buffer, size, "what was called %s before is being dropped", lease->want.name);
	else if (book_is_named(lease) && lease->slot->state == SLOT_BUILDING)
		snprintf(buffer, size, "%s is being built", lease->want.name);
	else if (!book_is_named(lease) && !pool_find_free(book->pool, book_shelf(lease)))
		snprintf(buffer, size, "%s%s", book_shelf(lease)->failures ? "no slot can be built: " : "a slot is being built",
		         book_shelf(lease)->failures ? book_shelf(lease)->why.message : "");
	else if (lease->errand)
		snprintf(buffer, size, "a %s Redis is being prepared", redis_mode_word(lease->want.redis));
	else
		say_redis(lease, buffer, size);
	return buffer;
}
