"""Rows of a job reach those who subscribed to the results exchange; the README's ten lines are one of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from base64 import b64encode
from pathlib import Path
from queue import Empty, Queue

import pytest
from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

from connectors.ends import FileTables
from connectors.results import TablesAndResults
from connectors.rows import FrameEncoder
from kappafleet.connections import RabbitMQConnection, rabbitmq_connection
from kappafleet.streams import RESULTS, declare_results
from schemas.results import route
from schemas.tables import table, tables, to_json

JOB = "driver_stats"
EVENT = table(JOB, "driver_event")
README = Path(__file__).resolve().parents[2] / "README.md"
LIMIT_S = 60


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> RabbitMQConnection:
    port = os.environ.get("KF_TEST_RABBITMQ_AMQP_PORT")
    if port is None:
        pytest.skip("needs a broker: make test starts one and sets KF_TEST_RABBITMQ_AMQP_PORT")
    monkeypatch.setenv("KF_RABBITMQ_AMQP_PORT", port)
    with rabbitmq_connection() as connection:
        declare_results(connection)
    return RabbitMQConnection.from_environment()


def event(fleet: str, driver: str, at_ms: int, write_us: int) -> bytes:
    """A driver_event as the job writes it."""
    values = {"driver_id": driver, "day": "2026-11-21", "event_time": at_ms, "type": "harsh_brake"}
    values |= {"vehicle_id": "van-7", "fleet_id": fleet, "peak": 4.5}
    return FrameEncoder(EVENT).encode(write_us, [values.get(column.name) for column in EVENT.columns])


def publish(env: StreamExecutionEnvironment, broker: RabbitMQConnection, folder: Path, *rows: bytes) -> None:
    """Runs a job whose rows go to files and to the exchange."""
    sink = TablesAndResults(
        FileTables(folder), [route(EVENT)], JOB, broker.host, broker.amqp_port, broker.vhost
    )
    first, *others = [
        env.from_collection([row]).map(bytes, output_type=Types.PRIMITIVE_ARRAY(Types.BYTE())) for row in rows
    ]
    sink.attach(first.union(*others), to_json(tables(JOB)))
    env.execute("results")


def test_readmes_ten_lines_print_each_change_of_the_fleets_events_once(
    env: StreamExecutionEnvironment, broker: RabbitMQConnection, tmp_path: Path
) -> None:
    fleet = f"readme-{uuid.uuid4().hex[:8]}"
    (code,) = re.findall(
        r"```python\n(import json, pika.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert code.count("\n") <= 12
    code = code.replace("5682", str(broker.amqp_port)).replace("driver_event.north", f"driver_event.{fleet}")
    with _Running(code) as printed:
        _await_binding(f"driver_event.{fleet}.*")
        publish(
            env,
            broker,
            tmp_path,
            event(fleet, "anna", 1_000, 5),
            event("other", "bert", 1_000, 5),
            event(fleet, "anna", 1_000, 5),  # as after a restart
            event(fleet, "anna", 2_000, 6),
        )
        found = sorted([printed.get(timeout=LIMIT_S), printed.get(timeout=LIMIT_S)])
        with pytest.raises(Empty):
            printed.get(timeout=1)

    assert all(line.startswith(f"driver_event.{fleet}.anna {{'driver_id': 'anna'") for line in found)
    assert "'event_time': '1970-01-01T00:00:01.000Z'" in found[0]
    assert "'event_time': '1970-01-01T00:00:02.000Z'" in found[1]
    assert "severity" not in found[0]
    lines = (tmp_path / "driver_event.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4  # the tables have them all


class _Running:
    """Python code in a process of its own, and the lines that it prints."""

    def __init__(self, code: str) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())

    def __enter__(self) -> Queue[str]:
        self._reader.start()
        return self._lines

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _await_binding(routing_key: str) -> None:
    end = time.monotonic() + LIMIT_S
    while routing_key not in _bindings():
        assert time.monotonic() < end, "nobody subscribed"
        time.sleep(0.1)


def _bindings() -> list[str]:
    port = os.environ["KF_TEST_RABBITMQ_MANAGEMENT_PORT"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/exchanges/%2F/{RESULTS}/bindings/source")
    request.add_header("Authorization", "Basic " + b64encode(b"guest:guest").decode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return [each["routing_key"] for each in json.load(answer)]
