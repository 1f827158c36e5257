"""The manifest's job runs in Flink's application mode, with its own arguments, settings, sizes and image files.

As the operator would start it: JobManager and TaskManager by Flink's scripts, the job's main by PythonDriver. Only
what needs Kubernetes (HA) or servers is left out: the ends are files.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from kappafleet.flink_home import FlinkHome, prepare
from kappafleet.places import kernel_cache
from tests.deploy.image import ROOT, project_image, unpack
from tests.deploy.test_manifests import deployment

_LIMIT_S = 300


def test_the_manifests_job_runs_in_application_mode(tmp_path: Path) -> None:
    project = unpack(project_image(), tmp_path)
    here = {
        "/opt/venv/bin/python": sys.executable,
        "/opt/kappafleet": str(project),
        "file:///state": (tmp_path / "state").as_uri(),
        "rabbitmq:": f"file:{ROOT / 'data' / 'demo' / 'driveplotr-nds.jsonl.gz'}",
        "cassandra:": f"file:{tmp_path / 'tables'}",
    }
    spec = _replaced(deployment("local")["spec"], here)
    flink = prepare(tmp_path / "home")
    _configure(flink, spec)
    environment = {
        **flink.environment(),
        "PYTHONPATH": str(project),
        "NUMBA_CACHE_DIR": str(kernel_cache()),
        "FLINK_LOG_DIR": str(tmp_path),
        "KF_RABBITMQ_PASSWORD": "never-in-a-log",
        "KF_CASSANDRA_PASSWORD": "never-in-a-log",
    }
    job = spec["job"]
    command = ["standalone-job.sh", "start-foreground", "--job-classname", job["entryClass"], *job["args"]]
    logs = {name: tmp_path / f"{name}.log" for name in ("jobmanager", "taskmanager")}

    with (
        _process(flink, environment, logs["taskmanager"], ["taskmanager.sh", "start-foreground"]),
        _process(flink, environment, logs["jobmanager"], command) as jobmanager,
    ):
        code = jobmanager.wait(timeout=_LIMIT_S)

    texts = {name: log.read_text(encoding="utf-8", errors="replace") for name, log in logs.items()}
    assert code == 0, texts["jobmanager"][-4000:]
    assert _rows(tmp_path / "tables" / "driver_day.jsonl")
    assert _rows(tmp_path / "tables" / "vehicle_minute.jsonl")
    assert _rows(tmp_path / "tables" / "reject.jsonl") == []
    assert not [name for name, text in texts.items() if "never-in-a-log" in text]


def _replaced(value: Any, by: dict[str, str]) -> Any:
    """A copy with parts of its texts replaced."""
    if isinstance(value, dict):
        return {name: _replaced(each, by) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, by) for each in value]
    if isinstance(value, str):
        for old, new in by.items():
            if value.startswith(old):
                return value.replace(old, new, 1)
    return value


def _configure(flink: FlinkHome, spec: dict[str, Any]) -> None:
    """The manifest's settings in place of the installation's, as the operator writes them."""
    file = flink.conf / "config.yaml"
    options = yaml.safe_load(file.read_text(encoding="utf-8"))["env"]["java"]["opts"]["all"]
    skipped = ("kubernetes.", "high-availability.")
    config = {
        name: value for name, value in spec["flinkConfiguration"].items() if not name.startswith(skipped)
    }
    rest, rpc = _free_ports(2)
    config |= {
        "env.java.opts.all": options,  # the operator's default for Java 17
        "jobmanager.memory.process.size": spec["jobManager"]["resource"]["memory"],
        "taskmanager.memory.process.size": spec["taskManager"]["resource"]["memory"],
        "jobmanager.rpc.address": "127.0.0.1",
        "jobmanager.rpc.port": rpc,
        "taskmanager.host": "127.0.0.1",
        "rest.address": "127.0.0.1",
        "rest.port": rest,
        "rest.bind-port": str(rest),
        "parallelism.default": 1,  # one TaskManager, where the operator starts two
    }
    file.write_text(yaml.safe_dump(config, width=10_000), encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def _process(
    flink: FlinkHome, environment: dict[str, str], log: Path, command: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A script of Flink with all that it starts, ended in any case."""
    script, *arguments = command
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(flink.path / "bin" / script), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
