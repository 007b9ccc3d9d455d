# SPDX-License-Identifier: MIT
"""`meson install`: programs that find each other, and a library to link programs with."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from environment import clean_env, run
from harness import places

# Prints the schema that it gets.
PROGRAM = r"""
#include <berth/berth.h>
#include <stdio.h>

int
main(void)
{
	struct berth_options options = BERTH_OPTIONS_INIT;
	struct berth_client *client;
	struct berth_lease *lease;
	struct berth_error e;

	options.wait_ms = 30000;
	if (berth_open(NULL, &client, &e) < 0
	    || berth_acquire(client, "gw0", &options, &lease, &e) < 0) {
		fprintf(stderr, "%s\n", e.message);
		return 1;
	}
	printf("%s %s\n", BERTH_VERSION_OF_PKG_CONFIG, lease->schema);
	berth_lease_free(lease);
	berth_close(client);
}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """What `meson install` makes of the build that is tested, below DESTDIR; the prefix in it."""
    destdir = tmp_path_factory.mktemp("destdir")
    build = places.BERTHD.parent.parent
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", destdir)
    (berthd,) = destdir.rglob("sbin/berthd")
    return berthd.parent.parent


def test_programs_and_every_man_page_are_installed(installed):
    assert [f.name for f in installed.glob("bin/*")] == ["berth"]
    assert [f.name for f in installed.glob("sbin/*")] == ["berthd"]
    for page in (places.REPO / "docs").glob("*.[1-8]"):
        assert (installed / "share" / "man" / f"man{page.suffix[1:]}" / page.name).exists()


def test_units_are_good_and_confined(installed, tmp_path):
    """As systemd itself judges, with the programs where they are now."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    prefix = run("meson", "introspect", "--buildoptions", places.BERTHD.parent.parent)
    (where,) = (o["value"] for o in json.loads(prefix) if o["name"] == "prefix")
    for kind in "system", "user":
        units = sorted((installed / "lib" / "systemd" / kind).iterdir())
        assert [u.name for u in units] == ["berthd.service", "berthd.socket"]
        here = tmp_path / kind
        here.mkdir()
        for unit in units:
            text = unit.read_text()
            (here / unit.name).write_text(re.sub(rf"={where}(/s?bin/)", rf"={installed}\1", text))
        verify = ["systemd-analyze", "verify", "--man=no", f"--{kind}", *here.iterdir()]
        assert run(*verify, env=clean_env("/usr/bin") | {"XDG_RUNTIME_DIR": str(here)}) == ""
    service = installed / "lib" / "systemd" / "system" / "berthd.service"
    out = run("systemd-analyze", "security", "--offline=true", "--threshold=20", service)
    assert "Overall exposure level" in out


def test_the_sample_is_a_good_berth_conf(installed):
    sample = installed / "share" / "doc" / "berth" / "examples" / "berth.conf"
    run(installed / "sbin" / "berthd", "--check", "--config", sample, env=clean_env("/usr/bin"))


def test_no_python_comes_along(installed):
    """Nobody would know its version, nor find its entry point."""
    assert not list(installed.rglob("*.py"))


def test_a_program_built_with_pkg_config_gets_a_lease(installed, tmp_path):
    (pc,) = installed.rglob("libberth.pc")
    sysroot = str(installed)[: -len(run("pkg-config", "--variable=prefix", pc).strip())]
    env = clean_env(installed / "bin", "/usr/bin", "/bin")
    env |= {"PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": sysroot}
    version = run("pkg-config", "--modversion", "libberth", env=env).strip()
    flags = run("pkg-config", "--cflags", "--libs", "libberth", env=env).split()
    (tmp_path / "program.c").write_text(PROGRAM)
    defined = f'-DBERTH_VERSION_OF_PKG_CONFIG="{version}"'
    run("cc", "-Werror", "-o", "program", "program.c", defined, *flags, cwd=tmp_path, env=env)

    env["LD_LIBRARY_PATH"] = str(pc.parent.parent)
    out = run("berth", "run", "--", tmp_path / "program", env=env)

    said = out.splitlines()[-1].split()  # a slow start is told before
    assert said[0] == version
    assert said[1].startswith("test_"), out
