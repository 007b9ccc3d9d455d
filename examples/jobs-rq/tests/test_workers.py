# SPDX-License-Identifier: MIT
"""Real workers: processes beside the tests, which fork one more for each job."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from processes import Worker, result_of, until, writing
from rq import Queue
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus

from mailing import tasks

EVERYBODY = [f"{name}@example.org" for name in ("ada", "bob", "cyd", "dan", "eve")]


def test_a_worker_takes_what_is_put_into_the_queue(worker: Worker) -> None:
    tasks.subscribe(*EVERYBODY)

    sent = tasks.send(tasks.publish("Hello"))

    assert [result_of(job).return_value for job in sent] == ["sent"] * 5
    assert tasks.delivered(1) == EVERYBODY


def test_two_workers_share_the_work(workers: list[Worker]) -> None:
    tasks.subscribe(*EVERYBODY)
    sent = tasks.send(tasks.publish("Hello"))

    workers += [Worker("--burst"), Worker("--burst")]
    for worker in workers:
        worker.finish()

    assert {job.get_status() for job in sent} == {JobStatus.FINISHED}
    assert tasks.delivered(1) == EVERYBODY


def test_a_job_that_fails_is_tried_again_and_holds_nobody_up(
    work_off: Callable[[], None], jobs: Queue
) -> None:
    tasks.subscribe("bob@closed.example", "ada@example.org")
    failing, fine = tasks.send(tasks.publish("Hello"))

    work_off()

    failing = Job.fetch(failing.id, connection=jobs.connection)
    assert (failing.get_status(), failing.retries_left) == (JobStatus.FAILED, 0)
    assert failing.id in jobs.failed_job_registry
    assert "ClosedError: bob@closed.example" in str(result_of(failing).exc_string)
    assert result_of(fine).return_value == "sent"
    assert tasks.delivered(1) == ["ada@example.org"]


def test_a_process_that_dies_takes_nothing_with_it(work_off: Callable[[], None]) -> None:
    tasks.subscribe("bob@crash.example", "ada@example.org")
    dying, fine = tasks.send(tasks.publish("Hello"))

    work_off()

    assert dying.get_status() == JobStatus.FAILED
    assert "terminated unexpectedly" in str(result_of(dying).exc_string)
    assert result_of(fine).return_value == "sent"
    assert tasks.delivered(1) == ["ada@example.org"]


def test_a_job_can_be_stopped(worker: Worker, jobs: Queue) -> None:
    tasks.subscribe("bob@slow.example")
    (slow,) = tasks.send(tasks.publish("Hello"))
    until(lambda: writing() == 1)

    send_stop_job_command(jobs.connection, slow.id)

    until(lambda: slow.get_status() == JobStatus.STOPPED)
    until(lambda: writing() == 0)
    assert tasks.delivered(1) == []


def test_what_a_killed_worker_has_forked_lives_on_and_ends_with_the_test(worker: Worker) -> None:
    tasks.subscribe("bob@slow.example")
    tasks.send(tasks.publish("Hello"))
    until(lambda: writing() == 1)

    worker.kill()

    assert writing() == 1
    assert len(worker.family()) == 1


@pytest.mark.parametrize("n", range(3))
def test_no_test_meets_anothers_subscribers_jobs_or_workers(
    worker: Worker, jobs: Queue, n: int
) -> None:
    assert jobs.count == jobs.failed_job_registry.count == writing() == 0
    tasks.subscribe(*EVERYBODY[: n + 1])

    sent = tasks.send(tasks.publish("Hello"))

    assert [result_of(job).return_value for job in sent] == ["sent"] * (n + 1)
