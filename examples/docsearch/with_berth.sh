#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows that four workers pass with berth, every time: ./with_berth.sh [RUNS]
cd "$(dirname "$0")" || exit
exec "${BERTH:-berth}" run -- "${PYTHON:-python3}" demo/repeat.py --berth --runs "${1:-6}"
