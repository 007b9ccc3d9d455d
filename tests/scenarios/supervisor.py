# SPDX-License-Identifier: MIT
"""A process supervisor as small as can be: starts services, starts again those that end."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from harness import eventually, process
from racers import APPS

NAMES = ("patients", "studies", "images", "subscriptions", "appointments")


@dataclass
class Service:
    name: str
    log: Path
    process: subprocess.Popen | None = None
    crashes: list[str] = field(default_factory=list)  # what it had said by then


class Supervisor:
    """Five services that migrate when they start, each a process group of its own.

    migrate is the shell command by which each of them migrates.
    """

    def __init__(self, migrate: str, env: dict[str, str], directory: Path):
        directory.mkdir()
        self.up_file = directory / "up"
        self.ran_file = directory / "ran"
        self.env = env | {
            "MIGRATE": migrate,
            "UP": str(self.up_file),
            "RAN": str(self.ran_file),
            "INI": str(APPS / "clinic" / "alembic.ini"),
        }
        self.services = [Service(name, directory / f"{name}.log") for name in NAMES]

    def start(self) -> Supervisor:
        for service in self.services:
            self._start(service)
        return self

    def _start(self, service: Service) -> None:
        with service.log.open("wb") as log:
            service.process = process.spawn(
                [APPS / "service.sh", service.name],
                "TERM",
                env=self.env,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def look(self, start_again: bool = True) -> None:
        """Notes those that have ended, and starts them again."""
        for service in self.services:
            if service.process and service.process.poll() is not None:
                service.crashes.append(service.log.read_text())
                service.process = None
                if start_again:
                    self._start(service)

    def all_up(self) -> bool:
        """To be asked by eventually(): looks after the services, too."""
        self.look()
        return set(self.up()) == set(NAMES)

    def wait_up(self) -> Supervisor:
        eventually(self.all_up, 60, "all services serve")
        return self

    def wait_ended(self) -> list[str]:
        """Until all have ended by themselves, without starting any again; what they said."""
        eventually(lambda: self.look(False) or not any(s.process for s in self.services), 60)
        return self.crashes()

    def up(self) -> list[str]:
        return self.up_file.read_text().split() if self.up_file.exists() else []

    def ran(self) -> int:
        """How many migrations have begun; what migrates must say so in $RAN."""
        return self.ran_file.read_text().count("\n") if self.ran_file.exists() else 0

    def crashes(self) -> list[str]:
        return [text for service in self.services for text in service.crashes]

    def stop(self) -> None:
        for service in self.services:
            if service.process:
                signal_group(service.process, signal.SIGKILL)
                service.process.wait()
                service.process = None
        self.up_file.unlink(missing_ok=True)


def signal_group(one: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(one.pid, number)
    except ProcessLookupError:
        pass
