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


def test_all_of_an_application_are_one_conversation_with_postgresql(client):
    wanted = {"mood": ["sad", "ok"], "Odd, name": ("a",)}
    before = int(client.info()["enum_conversations"])

    assert client.enums_ensure(wanted) == {"mood": "created", "Odd, name": "created"}
    assert client.enums_ensure(wanted) == {"mood": "exists", "Odd, name": "exists"}

    assert int(client.info()["enum_conversations"]) == before + 2
    assert client.enums_ensure({}) == {}


def test_of_several_one_that_drifts_is_raised_and_the_others_are_made(client):
    client.enum_ensure("mood", ["sad"])

    with pytest.raises(berth.DriftError, match="enum mood"):
        client.enums_ensure({"mood": ["ok"], "Odd, name": ["a"]})

    assert client.enum_ensure("Odd, name", ["a"]) == "exists"
    with pytest.raises(TypeError, match="several"):
        client.enums_ensure({"mood": "sad"})
    client.ping()  # nothing was sent


@pytest.mark.parametrize("version", [2, 3])
def test_enums_lists_names_and_labels_as_they_are(daemon, client, version):
    labels = ("it's", 'a "b", c', "é")
    client.enum_ensure("Odd, name", labels)

    with berth.connect(daemon.socket, resp=version) as other:
        assert berth.SharedEnum("Odd, name", "public", labels) in other.enums()


def test_one_text_is_not_taken_for_its_letters(client):
    with pytest.raises(TypeError, match="several"):
        client.enum_ensure("mood", "sad")
