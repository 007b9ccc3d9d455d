# SPDX-License-Identifier: MIT
"""Pages of docs/ whose blocks are done as they stand: files are written, commands are run."""

from __future__ import annotations

import re
from pathlib import Path

from harness.cli import Cli
from harness.places import REPO

_BLOCK = re.compile(r"<!-- (run|file: (\S+)) -->\n```\w+\n(.*?)^```$", re.M | re.S)


class Page:
    """One or more files of docs/, by their names without .md."""

    def __init__(self, *names: str):
        self.text = "\n".join((REPO / "docs" / f"{name}.md").read_text() for name in names)
        parts = re.split(r"^## ", self.text, flags=re.M)[1:]
        self.sections = {part.partition("\n")[0]: _BLOCK.findall(part) for part in parts}

    def unmarked(self) -> int:
        """How many blocks nobody does."""
        return self.text.count("```") // 2 - len(_BLOCK.findall(self.text))

    def file(self, name: str) -> str:
        """The first of this name."""
        return next(text for blocks in self.sections.values() for _, n, text in blocks if n == name)

    def follow(self, title: str, berth: Cli, project: Path) -> str:
        """Does what the section of this title says; what its commands have printed."""
        said = ""
        for kind, name, text in self.sections[title]:
            if kind == "run":
                done = berth.sh(text, cwd=project)
                assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
                said += done.stdout
            else:
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                (project / name).write_text(text)
        return said

    def links(self) -> list[str]:
        """The files that it leads to, from docs/."""
        return [link.partition("#")[0] for link in re.findall(r"\]\((?!http)([^)]+)\)", self.text)]
