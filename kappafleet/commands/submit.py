"""``kappafleet submit JOB``: the same job on a Flink cluster, by ``flink run``."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from kappafleet import places
from kappafleet.connections import is_host, is_port
from kappafleet.errors import ServerError, UserError

SUBMIT_TIMEOUT_S = 180
_JOB_ID = re.compile(r"JobID ([0-9a-f]{32})")


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="submit")(submit)


def submit(
    job: Annotated[str, typer.Argument(help="driver_stats, sensor_windows, driver_exposure or metrics")],
    source: Annotated[str, typer.Option("--from", help="rabbitmq: or file:PATH")] = "rabbitmq:",
    sink: Annotated[str, typer.Option("--to", help="cassandra: or file:DIRECTORY")] = "cassandra:",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of conf/; may be repeated."),
    ] = None,
    parallelism: Annotated[
        int | None, typer.Option(min=1, max=128, help="Default: the cluster's parallelism.default.")
    ] = None,
    jobmanager: Annotated[
        str | None, typer.Option(help="HOST:PORT of the cluster's REST API. Default: the local stack.")
    ] = None,
    savepoint: Annotated[
        str | None, typer.Option(help="Path of a savepoint or checkpoint to go on from.")
    ] = None,
) -> None:
    """Submit one job to a Flink cluster and return once it is accepted; prints its id."""
    job_id = submit_job(
        job,
        source,
        sink,
        overrides or [],
        parallelism=parallelism,
        jobmanager=jobmanager,
        savepoint=savepoint,
    )
    print(job_id)


def submit_job(
    job: str,
    source: str,
    sink: str,
    overrides: list[str],
    *,
    parallelism: int | None = None,
    jobmanager: str | None = None,
    savepoint: str | None = None,
    home: Path | None = None,
    port_offset: int | None = None,
) -> str:
    """Runs ``flink run`` for a job.

    Returns:
        The job's id.

    Raises:
        UserError: the job's arguments are wrong, or the cluster does not take it.
    """
    from kappafleet.launch import Launch, check
    from kappafleet.stack.flink import cluster_home

    check(Launch(job, source, sink, overrides, parallelism))
    where = home or places.home()
    ports = places.LocalPorts(places.port_offset() if port_offset is None else port_offset)
    flink = cluster_home(where, ports)
    target = jobmanager or f"{places.LOOPBACK}:{ports.rest}"
    _check_answers(target)
    log = where / "log"
    log.mkdir(parents=True, exist_ok=True)
    root = places.project_root()
    command = [str(flink.path / "bin" / "flink"), "run", "--detached", "-m", target]
    if savepoint:
        command += ["--fromSavepoint", savepoint]
    if parallelism:
        command += ["--parallelism", str(parallelism)]
    command += ["-py", str(root / "jobs" / job / "job.py"), "--source", source, "--sink", sink]
    for override in overrides:
        command += ["--set", override]
    environment = {**flink.environment(), "FLINK_LOG_DIR": str(log)}
    if port_offset is not None:
        environment["KAPPAFLEET_PORT_OFFSET"] = str(port_offset)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SUBMIT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(
            f"flink run did not end within {SUBMIT_TIMEOUT_S} s; its log is in {log}"
        ) from error
    found = _JOB_ID.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise UserError(
            f"{job} was not accepted by Flink at {target}: {_reason(job, done)}; the log is in {log}"
        )
    return found.group(1)


def _check_answers(target: str) -> None:
    """Without it ``flink run`` tries for minutes, and then says it at length."""
    host, _, port = target.rpartition(":")
    if not is_host(host) or not is_port(port):
        raise UserError(f"--jobmanager {target}: give HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ServerError(
            f"Flink at {target} does not answer: start the local servers (kappafleet stack up), or give --jobmanager"
        ) from error


def _reason(job: str, done: subprocess.CompletedProcess[str]) -> str:
    """The one line of ``flink run``'s output that says why."""
    text = f"{done.stderr}\n{done.stdout}"
    python = rf"^(?:{re.escape(job)}|\w*Error)\b.*?: (.*)$"
    for pattern in (python, r"^Caused by: .*?(?:Exception|Error): (.*)$"):
        found = re.findall(pattern, text, re.MULTILINE)
        if found:
            return str(found[-1]).strip()
    told = [line.strip() for line in text.splitlines() if line.strip()]
    return told[-1] if told else f"exit code {done.returncode}"
