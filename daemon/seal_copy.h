/* SPDX-License-Identifier: MIT */
/*
 * A builder's database as a template: a copy of it that lets nobody in, and in which everything that was
 * the builder's belongs to berth_template, a role that nobody can be.
 */
#pragma once

#include "daemon/slot_build.h"
#include "proto/errors.h"

struct seal_copy;
struct template;

/* Once, never before the start has returned. `database` is the copy's name. */
typedef void seal_copy_done(void *arg, const char *database, int tables, int64_t bytes, const struct berth_error *e);

/* The slot's role cannot log in and has no session. The name stands in the template's row before there is a copy, so
 * that whoever replaces a builder that died drops it. */
struct seal_copy *seal_copy_start(const struct slot_site *site, const struct slot *slot, const struct template *template,
                                  seal_copy_done *done, void *arg);

/* The way in which a database is copied on this server, as a clause of CREATE DATABASE. */
const char *seal_copy_strategy(const struct slot_site *site);
