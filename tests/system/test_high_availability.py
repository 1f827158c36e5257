"""The local cluster's memory: a job goes on after the death of the JobManager, of ZooKeeper, and of everything."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kappafleet.errors import ServerError
from kappafleet.messages import line_files, lines
from kappafleet.stack.flink import RunningJob, jobs_folder, rest, running_jobs
from kappafleet.stack.stack import Stack
from tests.system.pipeline import Pipeline, pipeline, wait_until

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo"
LIMIT_S = 90
"""Generous: what is promised is in the README, and measured; here only that it happens."""


@pytest.fixture
def job(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """A job on both TaskManagers, with a checkpoint behind it."""
    some = tmp_path / "some.jsonl"
    some.write_bytes(b"\n".join(list(lines(line_files(DEMO)))[:20]) + b"\n")
    with pipeline(stack, "ha") as of:
        of.publish(some)
        of.submit(parallelism=2)
        wait_until(lambda: newest_checkpoint(of) > 0, LIMIT_S, "a first checkpoint")
        yield of


def newest_checkpoint(of: Pipeline, since_s: float = 0.0) -> int:
    """The number of the newest checkpoint that was begun after a time; 0: there is none, or nobody answers."""
    found = rest(of.stack.ports, f"jobs/{of.job_id}/checkpoints")
    newest = found and found["latest"]["completed"]
    return newest["id"] if newest and newest["trigger_timestamp"] > since_s * 1000 else 0


def restored_from(of: Pipeline) -> int:
    """The number of the checkpoint that the job's last start went on from."""
    found = rest(of.stack.ports, f"jobs/{of.job_id}/checkpoints")
    assert found is not None
    return int(found["latest"]["restored"]["id"])


def test_a_job_goes_on_after_kill_9_of_the_jobmanager(stack: Stack, job: Pipeline) -> None:
    taskmanagers = [each.daemon.pid for each in stack.taskmanagers]
    newest, killed = newest_checkpoint(job), time.time()
    stack.jobmanager.kill()
    stack.jobmanager.start()
    assert [each.job_id for each in running_jobs(stack.ports)] == [
        job.job_id
    ]  # it is back as soon as one can ask
    wait_until(lambda: newest_checkpoint(job, since_s=killed) > newest, LIMIT_S, "a new checkpoint")
    assert restored_from(job) >= newest
    assert running_jobs(stack.ports) == [RunningJob(job.job_id, "driver_stats", "RUNNING")]
    assert job.failures() == 0
    wait_until(lambda: all(each.ready() for each in stack.taskmanagers), LIMIT_S, "the TaskManagers to join")
    assert [each.daemon.pid for each in stack.taskmanagers] == taskmanagers


def test_a_job_outlives_kill_9_of_zookeeper(stack: Stack, job: Pipeline) -> None:
    servers = [each.daemon.pid for each in (stack.jobmanager, *stack.taskmanagers)]
    newest = newest_checkpoint(job)
    stack.zookeeper.kill()
    stack.zookeeper.start()
    back = time.time()
    wait_until(lambda: newest_checkpoint(job, since_s=back) > newest, LIMIT_S, "a new checkpoint")
    assert running_jobs(stack.ports) == [RunningJob(job.job_id, "driver_stats", "RUNNING")]
    assert [each.daemon.pid for each in (stack.jobmanager, *stack.taskmanagers)] == servers


def test_a_job_goes_on_when_the_servers_are_stopped_and_started_again(stack: Stack, job: Pipeline) -> None:
    newest, stopped = newest_checkpoint(job), time.time()
    stack.down()
    stack.up()
    assert [each.job_id for each in running_jobs(stack.ports)] == [job.job_id]
    wait_until(lambda: newest_checkpoint(job, since_s=stopped) > newest, LIMIT_S, "a new checkpoint")
    assert restored_from(job) >= newest


def test_a_start_that_cannot_go_on_with_a_job_says_what_to_delete(stack: Stack, job: Pipeline) -> None:
    stack.jobmanager.kill()
    shutil.rmtree(jobs_folder(stack.home) / "storage")
    with pytest.raises(ServerError, match=f"to forget the jobs that ran, delete {jobs_folder(stack.home)}: "):
        stack.jobmanager.start()
    stack.zookeeper.stop()
    shutil.rmtree(jobs_folder(stack.home))
    stack.up()
    assert running_jobs(stack.ports) == []
    job.job_id = ""  # there is nothing to cancel


def test_a_cancelled_job_does_not_come_back(stack: Stack, job: Pipeline) -> None:
    job.cancel()
    stack.jobmanager.kill()
    stack.jobmanager.start()
    assert running_jobs(stack.ports) == []
    job.job_id = ""  # the new one does not know it: there is nothing to cancel
