# SPDX-License-Identifier: MIT
"""`pip install .` brings everything, `pip install client/python` the Python part of it alone."""

from __future__ import annotations

import re

import pytest

from environment import CLAIMED, clean_env, interpreter, run
from harness import places

#: A compiler and a network have their own idea of time, mostly on a busy machine.
pytestmark = pytest.mark.timeout(600)

PYTHON = places.REPO / "client" / "python"


def test_programs_and_packages_are_one_version(everything):
    code = "import berth, pytest_berth.plugin; print(berth.__version__)"

    version = run(everything.bin / "python", "-c", code).strip()

    assert everything.installed().version == version
    for program in "berth", "berthd":
        assert run(everything.bin / program, "--version").split()[1] == version


def test_assertions_are_compiled_in(everything):
    for program in "berth", "berthd":
        assert b"__assert_fail" in (everything.bin / program).read_bytes()


def test_the_man_pages_of_what_is_there_are_where_man_looks(everything):
    expected = {p.name for p in (places.REPO / "docs").glob("*.[1-8]")} - {"libberth.3"}

    pages = {p.name for p in everything.root.glob("share/man/man[1-8]/*")}

    assert pages == expected


def test_a_project_passes_on_two_workers(everything, tmp_path):
    everything.has_two_workers_pass(everything.bin / "berth", tmp_path)


def test_the_pure_client_is_pure(pure):
    dist = pure.installed()

    assert "Tag: py3-none-any" in dist.read_text("WHEEL")
    assert dist.requires is None or all("extra ==" in r for r in dist.requires)


def test_the_pure_client_passes_with_programs_from_elsewhere(everything, pure, tmp_path):
    pure.has_two_workers_pass(everything.bin / "berth", tmp_path)


def metadata(dist) -> tuple[list, str]:
    """Fields and text, without what only tells who wrote them down."""
    fields = [(k, v.replace("'", '"')) for k, v in dist.metadata.items() if k != "Description"]
    text = dist.metadata.get_payload() or dist.metadata["Description"]
    return sorted(f for f in fields if f[0] != "Metadata-Version"), text.strip()


def test_both_say_the_same_of_themselves(everything, pure):
    one, other = everything.installed(), pure.installed()

    assert metadata(one) == metadata(other)
    assert one.read_text("entry_points.txt").split() == other.read_text("entry_points.txt").split()


def test_both_have_the_same_python_files(everything, pure):
    def hashes(dist):
        """Of what is in packages; pip's byte code has none."""
        files = {str(f): f.hash and f.hash.value for f in dist.files}
        return {f: h for f, h in files.items() if re.match(r"(pytest_)?berth/", f) and h}

    assert hashes(everything.installed()) == hashes(pure.installed())
    assert hashes(pure.installed()).keys() == {
        str(f.relative_to(PYTHON))
        for p in PYTHON.glob("*/py.typed")
        for f in p.parent.rglob("*.*")
        if "__pycache__" not in f.parts
    }


@pytest.mark.parametrize("version", CLAIMED)
def test_every_python_that_it_is_for_understands_it(version):
    """The packages without pytest: berth is imported, the plugin compiled."""
    python = interpreter(version)
    if not python:
        pytest.skip(f"there is no Python {version} here")
    code = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import berth
for file in pathlib.Path(sys.argv[1], "pytest_berth").rglob("*.py"):
    compile(file.read_text(), file, "exec")
"""
    run(python, "-B", "-W", "error", "-c", code, PYTHON, env=clean_env("/usr/bin", "/bin"))


def test_pip_uninstall_leaves_nothing(everything):
    """The last one, for it takes everything away. What pytest has compiled for itself stays, as it
    does of every plugin, since pip does not know of it."""
    recorded = [f.locate() for f in everything.installed().files]

    everything.pip("uninstall", "--yes", "pytest-berth")

    ours = [f for f in everything.root.rglob("*berth*/**/*") if not f.is_dir()]
    left = [f for f in recorded + ours if f.exists()]
    assert [f for f in left if not re.search(r"-pytest-[\d.]+\.pyc$", f.name)] == []
