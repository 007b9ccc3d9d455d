/* SPDX-License-Identifier: MIT */
/* Sessions are found again by their id. */
#include "daemon/errand.h"

#include <stdlib.h>

#include "daemon/berthd.h"

struct errand {
	struct berthd *berthd;
	uint64_t session;
};

struct errand *
errand_new(struct session *session)
{
	struct errand *errand = calloc(1, sizeof *errand);

	if (!errand)
		abort();
	*errand = (struct errand){ session->berthd, session->id };
	return errand;
}

struct session *
errand_end(struct errand *errand)
{
	struct session *session = listener_find(&errand->berthd->listener, errand->session);

	free(errand);
	return session;
}
