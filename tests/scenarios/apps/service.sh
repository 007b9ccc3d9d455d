#!/bin/sh
# SPDX-License-Identifier: MIT
# A service as compose starts it: migrates its database, then serves. service.sh NAME
# MIGRATE is how to migrate, UP the file that says who serves.
set -eu
sh -euc "$MIGRATE"
echo "$1" >>"$UP"
exec sleep 1000000
