"""A harsh brake from the vehicle's message to the page: broker, Flink, results exchange, feed, Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from cassandra.cluster import Session

from connectors.cassandra_client import connect as cassandra
from kappafleet.connections import CassandraConnection, rabbitmq_parameters
from kappafleet.stack.stack import Stack
from serving.store import keyspace_of
from tests.driver_stats.jobs import write_lines
from tests.serving.browser import Page, chromium
from tests.serving.tables import JOB, OF_A_JOB, borrowed
from tests.serving.test_serve_command import served
from tests.system.pipeline import pipeline, wait_until

FLEET, VEHICLE = "live", "brake-1"
TURNS = 5
WITHIN_MS = 1000


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path) as found:
        found.look(width=1280, height=900, dark=False)
        yield found


@pytest.fixture
def version(stack: Stack) -> Iterator[Session]:
    """Readers use tables of this test while it runs."""
    with (
        cassandra(CassandraConnection.from_environment(), timeout_s=60) as session,
        borrowed(session, JOB, OF_A_JOB),
    ):
        yield session


def message(number: int, since_ms: int, *, brakes: bool) -> dict[str, Any]:
    """What the vehicle measured every 200 ms up to now; a harsh brake is over with the last sample."""
    until = round(time.time() * 1000)
    times = list(range(max(since_ms + 200, until - 4000), until, 200))
    accelerations = [0.0] * len(times)
    if brakes:
        accelerations[-3:-1] = [-6.0, -6.5]
    return {
        "schema": "telemetry/1",
        "vehicle_id": VEHICLE,
        "driver_id": "anna",
        "fleet_id": FLEET,
        "seq": number,
        "samples": {"t": times, "speed": [50.0] * len(times), "accel_x": accelerations},
    }


def test_a_harsh_brake_is_on_the_page_within_a_second_of_its_message(
    stack: Stack,
    version: Session,
    page: Page,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("KF_TEST_CASSANDRA_PORT", str(stack.ports.cql))
    monkeypatch.setenv("KF_TEST_RABBITMQ_AMQP_PORT", str(stack.ports.amqp))
    parameters = rabbitmq_parameters()
    parameters.heartbeat = 0  # it rests while the job starts
    with pipeline(stack, "live_page") as of, pika.BlockingConnection(parameters) as connection:
        of.keyspace = keyspace_of(JOB, OF_A_JOB)
        first = message(0, 0, brakes=False)
        of.publish(write_lines(tmp_path / "first.jsonl", [first]))
        of.submit(["results.enabled=true", "order.buffer_s=0", "watermark.delay_s=5"])
        wait_until(lambda: of.status() == "RUNNING" and of.checkpoints() > 0, 120, "a first checkpoint")
        there = f"SELECT vehicle_id FROM {of.keyspace}.vehicle_live WHERE fleet_id = %s"
        wait_until(lambda: bool(version.execute(there, (FLEET,)).all()), 120, "the vehicle in vehicle_live")
        channel = connection.channel()
        with served("--rate", "0", "--flink", f"http://127.0.0.1:{stack.ports.rest}") as address:
            page.open(f"{address}/dashboard/#/fleet")
            page.wait(f"document.querySelector('[data-vehicle=\"{VEHICLE}\"]')")
            last = first["samples"]["t"][-1]
            took = []
            for turn in range(1, TURNS + 2):
                time.sleep(2.0)  # the vehicle measures
                sent = message(turn, last, brakes=True)
                last = sent["samples"]["t"][-1]
                page.evaluate(
                    "window.before = document.querySelectorAll('[data-event=harsh_brake]').length; window.seen = 0;"
                    "new MutationObserver((_, watcher) => { if (document.querySelectorAll('[data-event=harsh_brake]')"
                    ".length > window.before) { window.seen = performance.timeOrigin + performance.now();"
                    " watcher.disconnect(); } }).observe(document.getElementById('content'),"
                    " { childList: true, subtree: true }); true"
                )
                begun = time.time() * 1000
                properties = pika.BasicProperties(headers={"key": VEHICLE, "event_time": last})
                channel.basic_publish(of.exchange, VEHICLE, json.dumps(sent).encode(), properties)
                took.append(float(page.wait("window.seen")) - begun)
            the_pipeline_page_shows_the_job(page, address)
    took = took[1:]  # the first one waits for compiled code and connections
    print(f"harsh brake in the page after {', '.join(f'{each:.0f}' for each in took)} ms")
    record_property("milliseconds", took)
    assert min(took) < WITHIN_MS
    assert page.problems == []


def the_pipeline_page_shows_the_job(page: Page, address: str) -> None:
    page.open(f"{address}/dashboard/#/pipeline")
    page.wait(f"document.querySelector('main section h2')?.innerText === '{JOB}'")
    # What Flink did not begin while the tasks started is no failed checkpoint.
    figures = (
        "Object.fromEntries([...document.querySelectorAll('main section .figure')]"
        ".map((each) => [each.querySelector('span').innerText, each.querySelector('b').innerText]))"
    )
    page.wait(f"/\\d/.test({figures}['last checkpoint'])", 60)
    page.wait(f"/^[\\d,]+$/.test({figures}['messages behind the log'])", 60)
    found = page.evaluate(figures)
    assert found["failed of the last ten"] == "0", found
    operators = "[...document.querySelectorAll('main section tbody tr')].map((each) => each.innerText)"
    assert len(page.evaluate(operators)) > 2
    assert all("RUNNING" in each for each in page.evaluate(operators))
    page.wait("document.querySelectorAll('main .uplot canvas').length === 1", 60)
