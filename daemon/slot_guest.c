/* SPDX-License-Identifier: MIT */
/* Opened when there is something to do inside, kept for the next time. */
#include "daemon/slot_guest.h"

#include <stdio.h>

#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/slot.h"

void
slot_open_guest(const struct slot_site *site, struct slot *slot)
{
	const struct pg_facts *facts = pg_facts(site->pg);
	char application[64];

	if (slot->guest && guest_alive(slot->guest))
		return;
	slot_close_guest(slot);
	snprintf(application, sizeof application, "berthd %s reset", site->runner);
	slot->guest = guest_new(site->guests, slot->role, slot->password,
	                        slot->kind == SLOT_DATABASE ? slot->name : facts->database, application);
}

void
slot_close_guest(struct slot *slot)
{
	guest_free(slot->guest);
	slot->guest = NULL;
	slot->prepared = false;
}
