# SPDX-License-Identifier: MIT
"""The Python client's side of templates and resets: what it asks for, and when it gives up."""

from __future__ import annotations

import subprocess

import berth
import pytest

from conftest import Thread
from fake_berthd import Refusal
from harness import eventually


@pytest.fixture
def fake(make_fake):
    return make_fake()


@pytest.fixture
def client(fake):
    with berth.connect(fake.path) as client:
        yield client


@pytest.fixture
def other(fake):
    with berth.connect(fake.path) as other:
        yield other


# The builder's side


def test_the_first_one_builds_and_the_others_wait_for_it(client, other):
    lease = client.acquire("gw0", template="k")
    waiting = other.request("gw1", template="k")

    assert (lease.is_builder, lease.state, lease.template) == (True, "building", "k")
    assert isinstance(waiting, berth.Waiting)
    assert (waiting.template, waiting.builder in waiting.why) == ("k", True)
    assert "worker gw0" in waiting.builder

    sealed = client.template_seal(lease)

    assert (sealed.key, sealed.kind, sealed.tables, sealed.bytes) == ("k", "schema", 1, 8192)
    now = client.get(lease)
    assert (now.id, now.is_builder, now.template) == (lease.id, False, "k")
    assert now.schema != lease.schema and now.dsn != lease.dsn and now.fence > lease.fence
    assert not other.acquire("gw1", template="k").is_builder


def test_acquire_builds_what_is_missing_and_only_then(client, other):
    built = []

    first = client.acquire("gw0", template="k", build=built.append)
    second = other.acquire("gw1", template="k", build=built.append)

    assert [lease.is_builder for lease in built] == [True]
    assert (first.state, second.state) == ("held", "held")
    assert first.id == built[0].id and first.schema != built[0].schema


def test_what_the_builder_raises_is_raised_and_told_to_those_that_wait(fake, client, other):
    waiting = []

    def fail(lease):
        waiting.append(Thread(other.acquire, "gw1", template="k"))
        eventually(lambda: any("gw1" in request for request in fake.requests))
        raise ValueError("no such table")

    with pytest.raises(ValueError, match="no such table"):
        client.acquire("gw0", template="k", build=fail)

    with pytest.raises(berth.BuildFailedError, match="ValueError: no such table"):
        waiting[0].result()
    assert other.acquire("gw1", template="k").is_builder  # it may try for itself


def test_an_interrupted_builder_is_replaced_by_the_next(client, other):
    def interrupted(lease):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.acquire("gw0", template="k", build=interrupted)

    assert other.acquire("gw1", template="k").is_builder
    with pytest.raises(berth.NoLeaseError):
        client.get("default/gw0")


def test_what_cannot_be_sealed_is_told_and_given_up(fake, client):
    def template(args):
        if args[0] == "SEAL":
            raise Refusal("BUILDFAILED large object 4711 cannot be carried")
        return fake._template(args, None)

    fake.on["TEMPLATE"] = template

    with pytest.raises(berth.BuildFailedError, match="large object 4711"):
        client.acquire("gw0", template="k", build=lambda lease: None)

    assert fake.requests[-1][:2] == ["TEMPLATE", "ABORT"]
    assert fake.requests[-1][3] == "large object 4711 cannot be carried"


def test_sealing_waits_for_a_server_that_is_away_for_a_moment(fake, client):
    answers = [Refusal("UNAVAILABLE PostgreSQL is starting")]

    def template(args):
        if answers:
            raise answers.pop()
        return fake._template(args, None)

    fake.on["TEMPLATE"] = template

    assert client.acquire("gw0", template="k", build=lambda lease: None).state == "held"
    assert fake.verbs().count("TEMPLATE") == 2


# What is asked for


def test_templates_are_listed_and_dropped(fake, client):
    row = {"key": "k", "kind": "schema", "state": "building", "builder": "run r worker gw0"}
    row |= dict.fromkeys(("tables", "rows", "bytes", "slots", "leases", "runner", "idle_ms"))
    fake.on["TEMPLATE"] = lambda args: [row | {"age_ms": 7}] if args == ["LIST"] else "OK"

    (found,) = client.template_list()
    client.template_drop("k")

    assert (found.key, found.state, found.age_ms, found.tables) == ("k", "building", 7, None)
    assert fake.requests[-1] == ["TEMPLATE", "DROP", "k"]


def test_a_reset_tells_what_it_did(fake, client):
    lease = client.acquire("gw0")
    fake.on["RESET"] = lambda args: {
        "tables": 3, "rows": 40, "sequences": 2, "rebuilt": 1, "us": 900
    }  # fmt: skip

    assert client.reset(lease) == berth.Reset(3, 40, 2, True, 900)
    client.reset("default/gw0", force=True)
    client.baseline(lease)

    assert fake.requests[-3:] == [
        ["RESET", lease.id],
        ["RESET", "default/gw0", "FORCE"],
        ["BASELINE", lease.id],
    ]


# Keys


@pytest.fixture
def files(tmp_path):
    for name in ("m/2.sql", "m/1.sql", "m/sub/1.sql", "other", "m/__pycache__/1.pyc", "m/.hid"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_key_is_what_sha256sum_says_of_the_files(files):
    for directory, names in (
        ("m", ["1.sql", "2.sql", "sub/1.sql"]),
        ("", ["m/1.sql", "other"]),
        ("m", ["2.sql"]),
    ):
        script = f"sha256sum {' '.join(names)} | LC_ALL=C sort -k 2 | sha256sum"
        told = subprocess.run(script, shell=True, cwd=files / directory, capture_output=True)
        key = berth.template_key(*(files / directory / name for name in names))
        assert key == told.stdout.decode().split()[0]


def test_a_key_does_not_depend_on_how_and_where_the_files_are_named(files, tmp_path, monkeypatch):
    key = berth.template_key(files / "m")
    monkeypatch.chdir(files / "m")

    assert key == berth.template_key(".")
    assert key == berth.template_key(
        "sub", "2.sql", "../m/1.sql", "1.sql", str(files) + "//m/2.sql"
    )
    (files / "m").rename(tmp_path / "elsewhere")
    assert key == berth.template_key(tmp_path / "elsewhere")


def test_names_contents_and_extras_count(files):
    keys = {berth.template_key(files / "m")}
    keys |= {berth.template_key(files / "m", extra=e) for e in ("a", "b", ("a", "b"), ("ab",))}
    (files / "m" / "2.sql").write_text("changed")
    keys.add(berth.template_key(files / "m"))
    (files / "m" / "2.sql").rename(files / "m" / "3.sql")
    keys.add(berth.template_key(files / "m"))

    assert len(keys) == 7
    assert berth.template_key(files / "m", extra="a") == berth.template_key(
        files / "m", extra=["a"]
    )


def test_a_directory_that_links_back_to_itself_has_an_end(files):
    key = berth.template_key(files / "m")
    (files / "m" / "sub" / "up").symlink_to("..")

    assert berth.template_key(files / "m") == key


def test_what_makes_no_key_is_told(files):
    (files / "empty").mkdir()
    (files / "back\\slash").touch()

    with pytest.raises(ValueError, match="no file is in .*empty"):
        berth.template_key(files / "empty")
    with pytest.raises(ValueError, match="no path"):
        berth.template_key()
    with pytest.raises(ValueError, match="no backslash"):
        berth.template_key(files / "back\\slash")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        berth.template_key(files / "nowhere")
