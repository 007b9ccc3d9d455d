# SPDX-License-Identifier: MIT
"""`berth run` finds its programs, a user and a place, and keeps an initialised data directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest
from harness import places

from test_run import (
    BERTH,
    TIMEOUT,
    Berth,
    berth,  # noqa: F401 (a fixture)
    cmdline,
    nothing_is_left,
    warm_cache,  # noqa: F401 (a fixture)
)


@pytest.fixture
def cold(tmp_path):
    """A `berth run` that has never run here."""
    berth = Berth(tmp_path / "cache")
    yield berth
    berth.close()


def cache_of(berth) -> Path:
    return Path(berth.env["XDG_CACHE_HOME"]) / "berth"


def entries(berth) -> list[Path]:
    return sorted(p for p in cache_of(berth).iterdir() if p.name.startswith("postgres-"))


def stages(done) -> list[str]:
    return [
        line.removeprefix("berth run: ").rpartition(":")[0] for line in done.stderr.splitlines()
    ]


INITIALISING = "initialising a data directory (kept for the next time)"


def works(berth) -> bool:
    """A run with all three servers, from whatever is in the cache."""
    run = berth.start()
    with psycopg.connect(f"host={run.dir}/pg user=postgres dbname=app") as conn:
        found = conn.execute("SELECT count(*) > 100 FROM pg_catalog.pg_class").fetchone()[0]
    status = run.finish()
    nothing_is_left(run)
    return status == 0 and found


# -- the cache


def test_the_first_run_initialises_and_the_next_one_copies(cold):
    first = cold.run("--verbose", command=["true"])
    second = cold.run("--verbose", command=["true"])

    assert (first.returncode, second.returncode) == (0, 0)
    assert INITIALISING in stages(first)
    assert INITIALISING not in stages(second)
    assert len(entries(cold)) == 1


def test_several_first_runs_at_once_initialise_once(cold):
    started = [cold.popen("--verbose", command=["true"]) for _ in range(3)]

    said = [p.communicate(timeout=TIMEOUT)[1].decode() for p in started]

    assert [p.returncode for p in started] == [0, 0, 0]
    assert sum(INITIALISING in text for text in said) == 1
    assert [p.name for p in cache_of(cold).iterdir() if ".new" in p.name] == []


def test_a_half_built_entry_is_neither_used_nor_kept(cold):
    cold.run(command=["true"])
    entry = entries(cold)[0]
    entry.rename(entry.with_name(entry.name + ".new"))  # as after SIGKILL just before the rename

    assert INITIALISING in stages(cold.run("--verbose", command=["true"]))

    assert entries(cold) == [entry]


def lose_the_contents(entry: Path) -> None:
    (entry / "contents").unlink()


def truncate_the_contents(entry: Path) -> None:
    os.truncate(entry / "contents", (entry / "contents").stat().st_size - 1)


def lose_the_list(entry: Path) -> None:
    (entry / "list").unlink()


def truncate_the_list(entry: Path) -> None:
    os.truncate(entry / "list", (entry / "list").stat().st_size - 5)


def garble_the_list(entry: Path) -> None:
    (entry / "list").write_bytes(os.urandom(1000))


def garble_the_control_file(entry: Path) -> None:
    """The size is right: only PostgreSQL's own refusal tells."""
    at = 0
    for line in (entry / "list").read_text().splitlines():
        if line.startswith("F "):
            _, size, path = line.split()
            if path == "global/pg_control":
                with open(entry / "contents", "r+b") as contents:
                    contents.seek(at)
                    contents.write(os.urandom(int(size)))
                return
            at += int(size)
    raise AssertionError("no pg_control")


@pytest.mark.parametrize(
    "damage",
    [
        lose_the_contents,
        truncate_the_contents,
        lose_the_list,
        truncate_the_list,
        garble_the_list,
        garble_the_control_file,
    ],
)
def test_a_damaged_entry_is_made_anew(cold, damage):
    cold.run(command=["true"])
    damage(entries(cold)[0])

    assert works(cold)

    assert INITIALISING not in stages(cold.run("--verbose", command=["true"]))


def test_without_a_place_for_the_cache_it_takes_longer_and_says_so(cold, tmp_path):
    (tmp_path / "cache").write_text("in the way")

    done = cold.run(command=["true"])

    assert done.returncode == 0
    assert "no cache in" in done.stderr


def test_a_cache_that_others_may_write_to_is_not_trusted(cold):
    cold.run(command=["true"])
    cache_of(cold).chmod(0o777)

    done = cold.run(command=["true"])

    assert done.returncode == 0
    assert "no cache in" in done.stderr


def test_what_nobody_has_used_for_a_month_goes_when_something_new_comes(cold):
    cold.run(command=["true"])
    entry = entries(cold)[0]
    old, young = (entry.with_name(f"postgres-{name}") for name in ("old", "young"))
    for copy in old, young:
        shutil.copytree(entry, copy)
    a_month_ago = (entry / "contents").stat().st_mtime - 31 * 86400
    os.utime(old / "contents", (a_month_ago, a_month_ago))
    shutil.rmtree(entry)

    assert cold.run(command=["true"]).returncode == 0

    assert entries(cold) == sorted([entry, young])


# -- the programs


def test_a_bindir_without_programs_is_an_error_that_names_it(berth, tmp_path):
    done = berth.run("--pg-bindir", tmp_path, command=["true"])

    assert done.returncode == 69
    assert "no initdb and postgres" in done.stderr and str(tmp_path) in done.stderr


def test_a_bindir_is_used(berth):
    run = berth.start("--pg-bindir", places.pg_bindir())

    assert cmdline(run.postgres).startswith(f"{places.pg_bindir()}/postgres ")


def test_a_berthd_that_is_not_there_is_an_error(berth):
    berth.env["BERTHD"] = "/nowhere/berthd"

    done = berth.run(command=["true"])

    assert done.returncode == 69
    assert "no berthd: looked at $BERTHD" in done.stderr


def test_berthd_is_found_beside_berth(berth, tmp_path):
    shutil.copy(BERTH, tmp_path / "berth")
    os.symlink(places.BERTHD.resolve(), tmp_path / "berthd")
    berth.env.pop("BERTHD", None)
    berth.env["PATH"] = "/usr/bin:/bin"
    berth.berth = tmp_path / "berth"

    run = berth.start()

    assert cmdline(run.server(str(tmp_path))).strip() == f"{tmp_path}/berthd"


def test_a_berthd_that_does_not_start_is_an_error_with_the_end_of_its_log(berth, tmp_path):
    broken = tmp_path / "berthd"
    broken.write_text("#!/bin/sh\necho 'it is broken'\nexit 3\n")
    broken.chmod(0o755)
    berth.env["BERTHD"] = str(broken)

    done = berth.run(command=["true"])

    assert done.returncode == 69
    assert "berthd did not start (exit status 3); the end of its log:\nit is broken" in done.stderr


@pytest.fixture
def elsewhere(berth):
    """elsewhere(SHELL): `berth run` in a mount namespace of its own, after this preparation."""

    def prepare(shell: str) -> Berth:
        berth.prefix = ("unshare", "-m", "sh", "-ec", f'{shell}\nexec "$@"', "sh")
        if subprocess.run([*berth.prefix, "true"], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("may not mount here")
        return berth

    return prepare


HIDE_PATH = "PATH=/usr/bin:/bin; "


@pytest.mark.root
def test_a_machine_without_postgresql_is_told_what_brings_it(elsewhere):
    berth = elsewhere(HIDE_PATH + "mount -t tmpfs tmpfs /usr/lib/postgresql")

    done = berth.run(command=["true"])

    assert done.returncode == 69
    assert "looked in PATH, /usr/lib/postgresql/*/bin" in done.stderr
    assert "apt-get install postgresql" in done.stderr


@pytest.mark.root
def test_a_machine_without_redis_is_told_what_brings_it(elsewhere):
    berth = elsewhere(
        HIDE_PATH + "for p in redis-server valkey-server redis-check-rdb; do"
        " [ ! -e /usr/bin/$p ] || mount --bind /dev/null /usr/bin/$p; done"
    )

    done = berth.run(command=["true"])

    assert done.returncode == 69
    assert "no redis-server or valkey-server" in done.stderr
    assert "apt-get install redis-server" in done.stderr


# -- the user


@pytest.fixture
def programs(tmp_path_factory):
    """berth and berthd where every user may run them."""
    directory = places.new_dir("bin")
    for program in BERTH, places.BERTHD:
        shutil.copy(program.resolve(), directory / program.name)
    return directory


@pytest.mark.root
def test_an_unprivileged_user_needs_nobody_else(programs):
    home = places.new_dir("home")
    shutil.chown(home, "nobody", "nogroup")
    as_nobody = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--")
    berth = Berth(home / "cache", berth=programs / "berth", prefix=as_nobody)
    berth.env |= {"BERTHD": str(programs / "berthd"), "HOME": str(home)}
    try:
        for _ in "cold", "warm":
            run = berth.start(cwd="/")
            uids = {
                os.stat(f"/proc/{run.server(n)}").st_uid for n in ("postgres", "redis", "berthd")
            }
            assert uids == {os.stat(home).st_uid}
            assert oct(os.stat(run.dir).st_mode & 0o777) == "0o700"
            assert run.finish() == 0, run.err
            nothing_is_left(run)
    finally:
        berth.close()
        shutil.rmtree(home)


@pytest.mark.root
def test_root_without_a_user_postgres_takes_nobody(elsewhere, programs):
    berth = elsewhere(
        "grep -v ^postgres: /etc/passwd >/run/passwd-$$; mount --bind /run/passwd-$$ /etc/passwd;"
        " rm /run/passwd-$$"
    )

    run = berth.start()

    assert os.stat(f"/proc/{run.postgres}").st_uid == 65534
    assert run.finish() == 0
    nothing_is_left(run)


# -- the place


@pytest.mark.root
def test_a_small_dev_shm_is_passed_over_and_that_is_said(elsewhere):
    berth = elsewhere("mount -t tmpfs -o size=64m tmpfs /dev/shm")

    run = berth.start()

    assert run.dir.startswith("/tmp/berth-run-")
    assert run.finish() == 0
    assert "not using /dev/shm: 64 MB are free, 300 are needed" in run.err
    nothing_is_left(run)


@pytest.mark.root
def test_a_temporary_directory_with_a_long_name_is_passed_over(elsewhere, tmp_path):
    long = tmp_path / ("long" * 20)
    long.mkdir()
    berth = elsewhere("mount -t tmpfs -o size=64m tmpfs /dev/shm")
    berth.env["TMPDIR"] = str(long)

    run = berth.start()

    assert run.dir.startswith("/tmp/berth-run-")
    assert run.finish() == 0
    assert "its name does not fit into a socket's address" in run.err


@pytest.mark.root
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(elsewhere, tmp_path):
    """300 MB are free when it looks, and then they are not."""
    bindir = Path(tempfile.mkdtemp(dir="/tmp"))
    bindir.chmod(0o755)
    (bindir / "postgres").symlink_to(places.pg_bindir() / "postgres")
    (bindir / "initdb").write_text(
        f'#!/bin/sh\nfallocate -l 300M /dev/shm/full\nexec {places.pg_bindir()}/initdb "$@"\n'
    )
    (bindir / "initdb").chmod(0o755)
    berth = elsewhere("mount -t tmpfs -o size=301m tmpfs /dev/shm")
    berth.env["XDG_CACHE_HOME"] = str(tmp_path)

    done = berth.run("--pg-bindir", bindir, command=["true"])
    shutil.rmtree(bindir)

    assert done.returncode == 69
    assert "initdb failed" in done.stderr and "No space left on device" in done.stderr
    assert entries(berth) == []
