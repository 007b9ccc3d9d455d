# SPDX-License-Identifier: MIT
"""The command line takes files in, works, searches and reports."""

from pathlib import Path

import pytest

from docsearch.__main__ import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "penguins.txt"
    path.write_text("A penguin is a bird that swims in the southern ocean.")
    return path


def test_a_file_is_found_once_the_worker_has_run(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", str(file)]) == 0
    assert main(["work"]) == 0
    assert main(["search", "penguins"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "1 operations done",
        "penguins: A <b>penguin</b> is a bird that swims in the southern ocean.",
    ]


def test_the_same_file_again_is_an_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["add", str(file)])

    assert main(["add", str(file)]) == 1
    assert "has the same text" in capsys.readouterr().err


def test_the_report_counts_documents(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["add", str(file)])
    main(["report"])

    assert capsys.readouterr().out == "files: pending, 0 of 1 documents indexed\n"


def test_no_command_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as end:
        main([])

    assert end.value.code == 2
