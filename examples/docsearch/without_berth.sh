#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows that four workers break each other on one shared database: ./without_berth.sh [RUNS]
cd "$(dirname "$0")" || exit
python=${PYTHON:-python3}
exec "$python" demo/servers.py -- "$python" demo/repeat.py --runs "${1:-6}"
