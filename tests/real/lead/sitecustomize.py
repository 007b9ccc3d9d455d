# SPDX-License-Identifier: MIT
"""Found by every Python process of a suite that knows one Redis only, that of localhost:6379.

Such a connection leads to the server of $LEAD_TO; the number of the database stays the suite's.
"""

import os

from redis.connection import Connection, parse_url

_connect = Connection.__init__


def _led(self, host="localhost", port=6379, **more):
    if (host, int(port)) in {("localhost", 6379), ("127.0.0.1", 6379)}:
        server = parse_url(os.environ["LEAD_TO"])
        host, port = server["host"], server["port"]
        more["password"] = server.get("password")
    _connect(self, host=host, port=port, **more)


Connection.__init__ = _led
