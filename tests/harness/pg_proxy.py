# SPDX-License-Identifier: MIT
"""A wire-tap between a client and PostgreSQL: hears what the client says, may lose an answer."""

from __future__ import annotations

import socket
import threading
from urllib.parse import quote

from harness import places
from harness.pg_server import DAEMON, DAEMON_PASSWORD, DATABASE, PgServer


class Wire:
    """One connection: passes everything on, and notes (type, text) of each of the client's messages."""

    def __init__(self, proxy: PgProxy, client: socket.socket, server: socket.socket):
        self.proxy = proxy
        self.cut = False
        self.messages: list[tuple[str, str]] = []
        self.ends = (client, server)
        self._buffer, self._greeted = b"", False
        self.threads = [
            threading.Thread(target=self._pump, args=pair, daemon=True)
            for pair in ((client, server, self._note), (server, client, None))
        ]
        for thread in self.threads:
            thread.start()

    def _pump(self, one: socket.socket, other: socket.socket, note) -> None:
        try:
            while data := one.recv(65536):
                if note:
                    note(data)
                elif self.cut:
                    break  # the answer is there, and nobody hears it
                other.sendall(data)
        except OSError:
            pass
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _note(self, data: bytes) -> None:
        """The first message has no type: it says which protocol."""
        self._buffer += data
        while True:
            head = 1 if self._greeted else 0
            length = head + int.from_bytes(self._buffer[head : head + 4], "big")
            if len(self._buffer) < head + 4 or len(self._buffer) < length:
                return
            message, self._buffer = self._buffer[:length], self._buffer[length:]
            if self._greeted:
                text = message[5:].decode(errors="replace").strip("\0")
                self.messages.append((message[:1].decode(), text))
                if self.proxy.lost and self.proxy.lost in text:
                    self.cut, self.proxy.lost = True, ""
            self._greeted = True


class PgProxy:
    """Listens in a directory of its own for who would talk to `pg`; close() it."""

    def __init__(self, pg: PgServer):
        self.pg = pg
        self.dir = places.new_dir("tap")
        self.wires: list[Wire] = []
        self.lost = ""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.dir / f".s.PGSQL.{pg.port}"))
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def dsn(self) -> str:
        who = f"{DAEMON}:{quote(DAEMON_PASSWORD, safe='')}"
        host = quote(str(self.dir), safe="")
        return f"postgresql://{who}@/{DATABASE}?host={host}&port={self.pg.port}&sslmode=disable"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.pg.dir / f".s.PGSQL.{self.pg.port}"))
            self.wires.append(Wire(self, client, server))

    def lose_answer_to(self, text: str) -> None:
        """The next statement that has this text is carried out, and then the connection breaks."""
        self.lost = text

    def forget(self) -> None:
        for wire in self.wires:
            wire.messages.clear()

    def messages(self) -> list[list[tuple[str, str]]]:
        """What each connection has sent since."""
        return [list(wire.messages) for wire in self.wires]

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for wire in self.wires:
            for end in wire.ends:
                end.close()
            for thread in wire.threads:
                thread.join()
