/* SPDX-License-Identifier: MIT */
/* Durations, by a table of units. */
#include "client/cli/duration.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	long long ms;
} units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

enum { UNITS = sizeof units / sizeof *units };

static long long
unit_ms(const char *name)
{
	for (int i = 0; i < UNITS; i++)
		if (strcmp(units[i].name, name) == 0)
			return units[i].ms;
	return -1;
}

bool
duration_parse(const char *text, long long *ret_ms)
{
	long long number, unit, ms;
	char *end;

	if (!isdigit((unsigned char)*text)) /* strtoll takes signs and spaces */
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	unit = number == 0 && !*end ? 1 : unit_ms(end);
	if (errno || unit < 0 || __builtin_mul_overflow(number, unit, &ms))
		return false;
	*ret_ms = ms;
	return true;
}

/* The largest unit and the next smaller one, if that adds anything; never ms beside another. */
char *
duration_show(long long ms, char buf[DURATION_TEXT_MAX])
{
	int i = 0;
	long long rest;

	while (i < UNITS - 1 && ms < units[i].ms)
		i++;
	rest = i < UNITS - 2 ? ms % units[i].ms / units[i + 1].ms : 0;
	if (rest)
		snprintf(buf, DURATION_TEXT_MAX, "%lld%s%lld%s", ms / units[i].ms, units[i].name,
		         rest, units[i + 1].name);
	else
		snprintf(buf, DURATION_TEXT_MAX, "%lld%s", ms / units[i].ms, units[i].name);
	return buf;
}

char *
duration_show_us(long long us, char buf[DURATION_TEXT_MAX])
{
	if (us < 1000)
		snprintf(buf, DURATION_TEXT_MAX, "%lldus", us);
	else if (us < 100 * 1000)
		snprintf(buf, DURATION_TEXT_MAX, "%.1fms", (double)us / 1000);
	else
		duration_show(us / 1000, buf);
	return buf;
}
