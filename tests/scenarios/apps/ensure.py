# SPDX-License-Identifier: MIT
"""One call for all enums of an application, instead of a helper with a lock of its own."""

import berth


def ensure(enums):
    with berth.connect() as client:
        client.enums_ensure(enums)
