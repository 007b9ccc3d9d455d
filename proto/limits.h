/* SPDX-License-Identifier: MIT */
/* Every limit that a client can run into, in one place; each is refused by name, never by a hang. */
#pragma once

/*  name                    value   unit            what it bounds */
#define BERTH_LIMITS(X)                                                                         \
	X(REQUEST_BYTES,        65536, "bytes",       "one request, headers included")          \
	X(REQUEST_ARGS,            64, "arguments",   "one request")                            \
	X(INLINE_BYTES,          8192, "bytes",       "one inline request (a line)")            \
	X(HEADER_BYTES,            32, "bytes",       "a header line (*3, $5)")                 \
	X(OUTPUT_BYTES,       1048576, "bytes",       "unsent output; beyond it reading stops") \
	X(OUTPUT_ALL_BYTES,  67108864, "bytes",       "unsent output of all sessions together")  \
	X(OUTPUT_FEW_BYTES,     65536, "bytes",       "unsent output of one while that is over") \
	X(READ_BYTES,           32768, "bytes",       "read from one session in one turn")      \
	X(FIRST_REQUEST_MS,      5000, "ms",          "from connecting to the first request")   \
	X(PARTIAL_REQUEST_MS,   10000, "ms",          "from a request's first byte to its last") \
	X(CONNECTIONS,           4096, "connections", "all sessions")                           \
	X(CONNECTIONS_UID,        512, "connections", "the sessions of one uid")                \
	X(FD_RESERVE,              32, "descriptors", "kept free for the daemon itself")        \
	X(LEASES,                4096, "leases",      "all leases")                             \
	X(LEASES_UID,            1024, "leases",      "the leases of one uid, waiting ones too") \
	X(NAME_BYTES,              63, "bytes",       "a schema, role or database name")        \
	X(WORKER_BYTES,            63, "bytes",       "a worker name")                          \
	X(RUN_BYTES,              127, "bytes",       "a run id")                               \
	X(LABEL_BYTES,            255, "bytes",       "a label")                                \
	X(GATE_KEY_BYTES,         255, "bytes",       "a key of the gate (ONCE)")               \
	X(TEMPLATE_KEY_BYTES,     255, "bytes",       "a template's key")                       \
	X(WAIT_MS,             600000, "ms",          "one WAIT")

enum {
#define X(name, value, unit, what) LIMIT_##name = (value),
	BERTH_LIMITS(X)
#undef X
};
