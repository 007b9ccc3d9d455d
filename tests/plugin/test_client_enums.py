# SPDX-License-Identifier: MIT
"""The Python client's methods for shared enums, against a real berthd."""

from __future__ import annotations

import berth
import pytest


@pytest.fixture
def client(daemon):
    with berth.connect(daemon.ready().socket) as client:
        yield client
    with daemon.pg.connect() as session:
        session.execute('DROP TYPE IF EXISTS mood, "Odd, name"')


def test_ensure_makes_it_once_and_append_adds_labels(client):
    assert client.enum_ensure("mood", ["sad", "ok"]) == "created"
    assert client.enum_ensure("mood", ("sad", "ok")) == "exists"
    assert client.enum_append("mood", ["sad", "ok", "happy"]) == "appended"
    with pytest.raises(berth.DriftError, match="'happy'"):
        client.enum_ensure("mood", ["sad", "ok"])


@pytest.mark.parametrize("version", [2, 3])
def test_enums_lists_names_and_labels_as_they_are(daemon, client, version):
    labels = ("it's", 'a "b", c', "é")
    client.enum_ensure("Odd, name", labels)

    with berth.connect(daemon.socket, resp=version) as other:
        assert berth.SharedEnum("Odd, name", "public", labels) in other.enums()


def test_one_text_is_not_taken_for_its_letters(client):
    with pytest.raises(TypeError, match="several"):
        client.enum_ensure("mood", "sad")
