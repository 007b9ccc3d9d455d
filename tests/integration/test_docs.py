# SPDX-License-Identifier: MIT
"""What the pages say can be done, can: links lead somewhere, files are well-formed, commands and settings exist."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest
import yaml

from harness.cli import BERTH
from harness.places import BERTHD, REPO

PAGES = sorted([*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("examples/*/README.md"), *REPO.glob("client/python/*.md")])


def said(program, *words) -> str:
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


COMMANDS = set(re.findall(r"^  ([a-z]+) +[A-Z]", said(BERTH, "help"), re.M))
SETTINGS = set(re.findall(r"--([a-z][a-z-]+)", said(BERTHD, "--help")))


@pytest.fixture(params=PAGES, ids=lambda p: str(p.relative_to(REPO)))
def page(request):
    return request.param


def blocks(text: str, language: str) -> list[str]:
    """Code blocks of that language, also those inside of lists, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in found]


def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    missing = [x for x in links if not x.startswith(("http://", "https://")) and not (page.parent / x).exists()]
    assert missing == []


def test_yaml_and_toml_are_well_formed(page):
    text = page.read_text()
    for block in blocks(text, "yaml"):
        assert all(isinstance(x, dict | list) for x in yaml.safe_load_all(block)), block
    for block in blocks(text, "toml"):
        tomllib.loads(block)


def test_commands_exist(page):
    text = page.read_text()
    said_there = set(re.findall(r"(?:`|^ *(?:\$ )?|\| |\$\()berth ([a-z]+)\b", text, re.M))
    assert said_there - COMMANDS == set()


def test_settings_of_berthd_exist(page):
    for block in blocks(page.read_text(), "ini"):
        if re.search(r"^(pg_dsn|redis_url|socket) *=", block, re.M):
            named = set(re.findall(r"^([a-z_]+) *=", block, re.M))
            assert {x.replace("_", "-") for x in named} - SETTINGS == set()
