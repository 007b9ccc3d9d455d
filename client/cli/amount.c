/* SPDX-License-Identifier: MIT */
/* Bytes in units of 1024, and counted things. */
#include "client/cli/amount.h"

#include <stdio.h>

char *
amount_bytes(long long bytes, char buf[AMOUNT_TEXT_MAX])
{
	static const char units[] = "BKMGTPE";
	double amount = (double)bytes;
	int unit = 0;

	while (amount >= 1023.5 && units[unit + 1]) {
		amount /= 1024;
		unit++;
	}
	snprintf(buf, AMOUNT_TEXT_MAX, "%.*f%c", unit > 0 && amount < 9.95 ? 1 : 0, amount,
	         units[unit]);
	return buf;
}

char *
amount_of(long long count, const char *thing, char buf[AMOUNT_TEXT_MAX])
{
	snprintf(buf, AMOUNT_TEXT_MAX, "%lld %s%s", count, thing, count == 1 ? "" : "s");
	return buf;
}
