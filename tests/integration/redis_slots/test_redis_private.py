# SPDX-License-Identifier: MIT
"""A redis-server for one lease alone."""

import os
import signal
import stat
from pathlib import Path

import pytest
import redis

from harness import eventually, process


def servers(runner) -> list[int]:
    """The pids of its private servers."""
    return [p for p in process.children(runner.pid) if "redis-server" in process.cmdline(p)]


def test_it_answers_to_its_password_on_a_port_and_a_socket(runner):
    slot = runner.claim(how="private")
    assert slot.mode == "private" and slot.db == 0 and slot.user == ""
    assert slot.url == f"redis://:{slot.password}@127.0.0.1:{slot.port}/0"
    by_port = slot.client()
    by_socket = redis.Redis(unix_socket_path=slot.socket, password=slot.password, decode_responses=True)
    by_port.set("k", "v")
    assert by_socket.get("k") == "v"
    stranger = redis.Redis(port=slot.port)
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    for client in (by_port, by_socket, stranger):
        client.close()


def test_each_is_alone(runner):
    slots = [runner.claim(t, "private") for t in ("a", "b", "c")]
    assert len({s.port for s in slots}) == len({s.socket for s in slots}) == len({s.password for s in slots}) == 3
    one, two = slots[0].client(), slots[1].client()
    two.set("k", "v")
    one.flushall()
    assert two.get("k") == "v"
    one.close()
    two.close()


def test_many_start_at_once(runner):
    for i in range(12):
        runner.say("private", f"p{i}")
    assert len({runner.answer(f"p{i}").port for i in range(12)}) == 12


def test_its_end_leaves_no_process_and_no_file(runner):
    slot = runner.claim(how="private")
    client = slot.client()
    client.set("k", "v")
    client.save()
    (pid,) = servers(runner)
    runner.end()
    runner.ended()
    assert not process.alive(pid) and list(runner.private.iterdir()) == []
    client.close()


def test_it_dies_with_its_runner_however_that_dies(kv, make_runner):
    runner = make_runner(kv)
    runner.claim("a", "private"), runner.claim("b", "private")
    pids = servers(runner)
    assert len(pids) == 2
    runner.kill()
    eventually(lambda: not any(map(process.alive, pids)))


def test_its_runner_quits_and_leaves_nothing(kv, make_runner):
    runner = make_runner(kv)
    runner.claim("a", "private")
    runner.say("private", "b")  # under way
    assert runner.finish() == 0
    assert list(runner.private.iterdir()) == []


def test_its_sudden_death_is_told(runner):
    slot = runner.claim(how="private")
    (pid,) = servers(runner)
    os.kill(pid, signal.SIGKILL)
    assert "was killed by signal 9" in runner.take("lost", "a")["why"]
    runner.end()
    runner.ended()
    assert list(runner.private.iterdir()) == []
    assert slot.port


def test_a_shutdown_by_its_user_is_told(runner):
    client = runner.claim(how="private").client()
    client.shutdown(nosave=True)
    assert "exited 0" in runner.take("lost", "a")["why"]
    client.close()


def test_nobody_reads_its_password_from_its_arguments_or_its_environment(runner):
    slot = runner.claim(how="private")
    (pid,) = servers(runner)
    secrets_of = process.cmdline(pid) + Path(f"/proc/{pid}/environ").read_text(errors="replace")
    assert slot.password not in secrets_of
    assert slot.password not in runner.log()


def test_it_has_nothing_of_its_runner(runner):
    """No descriptor, no session (Ctrl-C), no signal that is ignored or blocked."""
    runner.claim(how="private")
    (pid,) = servers(runner)
    assert os.getsid(pid) == pid and os.getpgid(pid) == pid
    ours = {t for t in process.descriptors(runner.pid).values() if "socket:" in t or "pipe:" in t}
    assert not ours & {t for fd, t in process.descriptors(pid).items() if fd > 2}
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    assert int(status["SigBlk"], 16) == 0


def test_others_may_pass_through_to_the_socket_but_not_look(runner):
    slot = runner.claim(how="private")
    directory = Path(slot.socket).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o711
    assert stat.S_IMODE(Path(slot.socket).stat().st_mode) == 0o777
    owner, unguessable = directory.name.split("-")
    assert len(unguessable) == 16


@pytest.mark.root
def test_started_by_root_it_is_not_root(runner):
    runner.claim(how="private")
    (pid,) = servers(runner)
    assert os.stat(f"/proc/{pid}").st_uid != 0


def test_a_server_that_does_not_exist_is_said_to(kv, make_runner):
    refused = make_runner(kv, server="no-such-redis-server").refused(how="private")
    assert refused["code"] == "REDISERR" and "no-such-redis-server" in refused["message"]


def test_a_server_that_ends_at_once_is_tried_five_times(kv, make_runner):
    runner = make_runner(kv, server="/bin/false")
    refused = runner.refused(how="private")
    assert refused["code"] == "REDISERR" and "exited 1 before it answered, 5 times" in refused["message"]
    assert list(runner.private.iterdir()) == []


def test_a_server_that_never_answers_is_given_up(kv, make_runner, tmp_path_factory):
    script = kv.dir / "deaf"
    script.write_text("#!/bin/sh\nexec sleep 600\n")
    script.chmod(0o755)
    runner = make_runner(kv, server=str(script), deadline=700)
    refused = runner.refused(how="private")
    assert refused["code"] == "TIMEOUT"
    assert list(runner.private.iterdir()) == [] and process.children(runner.pid) == []


def test_it_needs_no_shared_server(make_runner):
    runner = make_runner(f"redis://127.0.0.1:{process.free_port()}", up=False)
    assert runner.claim(how="private").port
    runner.end()
    runner.ended()
