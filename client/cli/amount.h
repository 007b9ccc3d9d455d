/* SPDX-License-Identifier: MIT */
/* How much there is of something, in words. */
#pragma once

enum { AMOUNT_TEXT_MAX = 48 };

/* Bytes: "512B", "88K", "3.1M", "20G". Returns buf. */
char *amount_bytes(long long bytes, char buf[AMOUNT_TEXT_MAX]);
/* "1 table", "2 tables". `thing` takes an s. Returns buf. */
char *amount_of(long long count, const char *thing, char buf[AMOUNT_TEXT_MAX]);
