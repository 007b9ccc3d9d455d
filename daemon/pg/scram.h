/* SPDX-License-Identifier: MIT */
/*
 * A ready-made SCRAM-SHA-256 verifier, so that no password travels to the server or into its log.
 *
 * The passwords are 128 random bits: iterations add nothing to them but CPU, 11 ms a login at 4096
 * against 3 at 1. Some Java drivers refuse fewer than 4096; hence the setting scram_iterations.
 */
#pragma once

enum { SCRAM_TEXT = 192 };

/* Writes "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>" (RFC 5803, as in pg_authid). */
void scram_verifier(const char *password, int iterations, char out[SCRAM_TEXT]);
