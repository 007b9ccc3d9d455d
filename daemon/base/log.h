/* SPDX-License-Identifier: MIT */
/*
 * The log: one logfmt line an event to stderr, with the journal's priority in front when asked.
 *
 *     log_info("lease.open", LOG_T("id", lease->id), LOG_N("took_us", took));
 *     → lease.open id=3fa9c1-17 took_us=19
 *
 * Event names are API. Values are quoted here and nowhere else. Never pass a secret.
 * Verbs, session, reaper, pool, the connections' state changes and main log above debug; others do not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_field {
	const char *key;  /* NULL ends the list */
	bool is_text;
	const char *text; /* borrowed for the call; NULL writes "" */
	int64_t number;
};

#define LOG_T(key_, text_) { .key = (key_), .is_text = true, .text = (text_) }
#define LOG_N(key_, number_) { .key = (key_), .number = (int64_t)(number_) }

#define log_at(level, event, ...)                                                                \
	log_write((level), (event), (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { 0 } })
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event __VA_OPT__(,) __VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_LEVEL_WARN, event __VA_OPT__(,) __VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_LEVEL_INFO, event __VA_OPT__(,) __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event __VA_OPT__(,) __VA_ARGS__)

void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* Writes nothing above this level; the default is info. */
void log_set_level(enum log_level level);
/* The level of a word ("error" … "debug"); -1 for any other. */
int log_level_of(const char *word);
/* "<6>"-style priorities in front of each line, for a journal that reads stderr. */
void log_set_priorities(bool on);
