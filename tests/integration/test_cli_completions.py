# SPDX-License-Identifier: MIT
"""What shells complete of `berth` is what its commands take; the scripts come from the same rows."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from harness.cli import BERTH


def script(shell: str) -> str:
    return subprocess.run([BERTH, "completions", shell], check=True, capture_output=True, text=True).stdout


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(
        ["bash", "--norc", "-uc", f"{script('bash')}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _berth; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.split()


def commands() -> list[str]:
    text = subprocess.run([BERTH, "help"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^  ([a-z]+) +[A-Z]", text, re.M)


def test_bash_completes_commands_their_words_and_options():
    assert completed("berth", "") == commands()
    assert completed("berth", "exe") == ["exec"]
    assert completed("berth", "help", "or") == ["orphans"]
    assert completed("berth", "template", "b") == ["build"]
    assert completed("berth", "shutdown", "--h") == ["--handover", "--help"]
    assert completed("berth", "run", "--pg") == ["--pg-bindir"]
    assert "bash" in completed("berth", "exec", "bas")
    assert "bash" in completed("berth", "template", "build", "bas")


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_is_completed_in_every_shell(command):
    help_text = subprocess.run([BERTH, command, "--help"], check=True, capture_output=True, text=True).stdout
    options = set(re.findall(r"^  (--[a-z-]+)", help_text, re.M))
    assert options or command == "run"
    assert set(completed("berth", command, "--")) >= options
    for option in options - {"--help"}:
        assert f"'{option}[" in script("zsh") or f"'*{option}[" in script("zsh")
        assert f"__fish_seen_subcommand_from {command}' -l {option[2:]}" in script("fish")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_itself_can_read_it(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "script").write_text(script(shell))
    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_another_shell_is_wrong_usage():
    done = subprocess.run([BERTH, "completions", "tcsh"], capture_output=True, text=True)
    assert done.returncode == 2 and "bash, zsh or fish" in done.stderr
