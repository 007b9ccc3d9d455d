/* SPDX-License-Identifier: MIT */
/* The one function of a fuzz entry point: libFuzzer calls it, or replay.c with files. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Ends the process when something is wrong; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
