# SPDX-License-Identifier: MIT
"""Projects whose pytest is run as a person would run it, against a fake daemon or a real one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass
from pathlib import Path

import berth
import pytest

from fake_berthd import FakeBerthd
from harness import places
from harness.wait import SLOW

#: Plugins that are at hand and of no use to the projects; to load them is a third of what it costs
#: to start a pytest, or a worker.
OTHERS = ("anyio", "django", "hypothesispytest", "timeout")

#: Plugins that would have their say in every suite (tests/requirements-aside.txt).
ASIDE = Path(sys.prefix) / "aside"

#: The Python whose pytest and xdist run the projects; by default the one that runs this.
PYTHON = os.environ.get("BERTH_PLUGIN_PYTHON", sys.executable)


@dataclass
class Result:
    """How a pytest run ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def both(self) -> str:
        return self.out + self.err

    def counts(self) -> dict[str, int]:
        """{"passed": 3, "errors": 1} of the last line."""
        last = [line for line in self.out.splitlines() if re.search(r" in [\d.]+s", line)]
        assert last, f"no summary line:\n{self.both}"
        found = re.findall(r"(\d+) (passed|failed|skipped|errors?|warnings?|deselected)", last[-1])
        return {word.rstrip("s") if word != "passed" else word: int(n) for n, word in found}

    def passed(self, count: int) -> Result:
        """Asserts that exactly so many tests passed and nothing else happened."""
        assert (self.status, self.counts()) == (0, {"passed": count}), self.both
        return self

    def schemas(self) -> dict[str, str]:
        """Worker → schema or database, from the lines that the plugin prints."""
        return dict(re.findall(r"^\[Worker (\w+)\] Using \w+: (\S+)$", self.out, re.MULTILINE))


class Thread(threading.Thread):
    """A call in the background; result() is what it came to."""

    def __init__(self, fn, *args, **kw):
        super().__init__(daemon=True)
        self.call = lambda: fn(*args, **kw)
        self.start()

    def run(self):
        try:
            self.value, self.error = self.call(), None
        except BaseException as e:
            self.error = e

    def result(self):
        self.join(30)
        assert not self.is_alive()
        if self.error:
            raise self.error
        return self.value


class Project:
    """A directory with tests of its own."""

    def __init__(self, path: Path):
        self.path = path
        self.env: dict[str, str] = {}
        self.options: list[str] = []
        self.without = {*OTHERS, "cacheprovider"}
        (path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def ini(self, text: str) -> None:
        self.write("pytest.ini", "[pytest]\nfilterwarnings = error\n" + textwrap.dedent(text))

    def command(self, *args) -> list[str]:
        without = [f"-pno:{name}" for name in sorted(self.without)]
        return [PYTHON, "-m", "pytest", *without, *self.options, *map(str, args)]

    def environment(self) -> dict[str, str]:
        """The environment without what this test run put into it."""
        ours = re.compile(r"(BERTH|PG|PYTEST|PYTHON|DATABASE_URL|REDIS_URL|XDG_RUNTIME_DIR)")
        own = {"PYTHONFAULTHANDLER": "1"} | self.env
        return {k: v for k, v in os.environ.items() if not ours.match(k)} | own

    def take_from_aside(self, plugin: str) -> None:
        """Runs with this one of the plugins that are kept aside."""
        if not ASIDE.exists():
            pytest.skip(f"there is no {ASIDE}; ./dev makes it")
        self.env["PYTHONPATH"] = str(ASIDE)
        self.without |= {"asyncio", "env"} - {plugin}

    def popen(self, *args, **kw) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*args), cwd=self.path, env=self.environment(), text=True, **kw
        )

    def run(self, *args) -> Result:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        with self.popen(*args, **pipes) as process:
            try:
                out, err = process.communicate(timeout=100 * SLOW)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGABRT)  # each of them says where it stands
                out, err = process.communicate()
                pytest.fail(f"this run did not end:\n{out}\n{err}", pytrace=False)
        return Result(process.returncode, out, err)


@pytest.fixture(scope="session", autouse=True)
def plugin_installed():
    """What is tested is the installed plugin, found through its entry point as pytest finds it."""
    code = "import importlib.metadata as m; m.version('pytest-berth')"
    if subprocess.run([PYTHON, "-c", code], capture_output=True).returncode:
        pytest.fail(f"install it first: {PYTHON} -m pip install -e client/python", pytrace=False)


@pytest.fixture
def project(tmp_path) -> Project:
    path = tmp_path / "project"
    path.mkdir()
    return Project(path)


@pytest.fixture
def make_fake():
    """make_fake(host=, redis=): a FakeBerthd; its socket is `path`."""
    made = []

    def make(**kw):
        made.append(FakeBerthd(places.new_dir("f") / "b.sock", **kw))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fake(make_fake, project) -> FakeBerthd:
    """A fake daemon that the project's pytest is told of, with --berth."""
    fake = make_fake()
    project.options += ["--berth", f"--berth-socket={fake.path}"]
    return fake


@pytest.fixture
def no_templates_afterwards(daemon):
    """A real daemon's, which would outlive it."""
    yield daemon.ready()
    with berth.connect(daemon.socket) as client:
        for row in client.template_list():
            client.template_drop(row.key)
