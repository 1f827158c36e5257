"""PyFlink with our jar: one JVM for all tests of a process."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pyflink import java_gateway
from pyflink.datastream import StreamExecutionEnvironment

from kappafleet import flink_home


@pytest.fixture(scope="session")
def pyflink_jvm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PyFlink's JVM, started on an installation with our jar and ended with the tests."""
    started: list[subprocess.Popen[Any]] = []
    launch = java_gateway.launch_gateway_server_process

    def launch_and_keep(*arguments: Any) -> subprocess.Popen[Any]:
        started.append(launch(*arguments))
        return started[-1]

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # PyFlink and its dependencies use what is deprecated, and leave sockets to the garbage collector.
        warnings.simplefilter("ignore")
        home = flink_home.prepare(tmp_path_factory.mktemp("home"))
        for name, value in home.environment().items():
            patch.setenv(name, value)
        patch.setattr(java_gateway, "launch_gateway_server_process", launch_and_keep)
        gateway = java_gateway.get_gateway()
    yield
    gateway.shutdown()
    for process in started:
        process.stdin.close()  # what it waits for
        process.wait(timeout=30)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def env(pyflink_jvm: None, monkeypatch: pytest.MonkeyPatch) -> StreamExecutionEnvironment:
    """A mini cluster with parallelism 1; a job that fails is not restarted."""
    # Functions run in the JVM's own interpreter: no pool of workers in this process.
    monkeypatch.setenv("_python_worker_execution_mode", "process")
    environment = StreamExecutionEnvironment.get_execution_environment()
    environment.set_parallelism(1)
    return environment
