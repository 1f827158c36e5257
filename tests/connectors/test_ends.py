"""What the ends do to the environment of the job they belong to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyflink.common import Configuration
from pyflink.datastream import StreamExecutionEnvironment

from connectors.ends import LIVE_BUFFER_TIMEOUT_MS, FileLines, LogSource, RabbitStreams

FLINKS_OWN_MS = 100

pytestmark = pytest.mark.usefixtures("env")


def buffer_timeout_ms(source: LogSource, **configured: str) -> int:
    """Of a job with this source, and these settings with _ for - and __ for a dot."""
    configuration = Configuration()
    for name, value in configured.items():
        configuration.set_string(name.replace("__", ".").replace("_", "-"), value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    source.records(env, id_field="vehicle_id", delay_ms=0, idle_ms=1000, max_ahead_ms=0)
    return int(env.get_buffer_timeout())


def test_records_of_a_live_log_wait_only_for_milliseconds_in_network_buffers() -> None:
    assert buffer_timeout_ms(RabbitStreams("telemetry")) == LIVE_BUFFER_TIMEOUT_MS < FLINKS_OWN_MS


def test_a_configured_buffer_timeout_counts() -> None:
    for name in ("execution__buffer_timeout", "execution__buffer_timeout__interval"):
        assert buffer_timeout_ms(RabbitStreams("telemetry"), **{name: "70 ms"}) == 70


def test_a_log_that_is_read_again_is_the_same_one_under_another_uid(tmp_path: Path) -> None:
    for source in (RabbitStreams("telemetry", start="offset:7"), FileLines(tmp_path)):
        again = source.again("log-again")
        assert again == replace(source, uid="log-again") != source


def test_what_ends_is_left_to_flink(tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.touch()

    assert buffer_timeout_ms(RabbitStreams("telemetry", bounded=True)) == FLINKS_OWN_MS
    assert buffer_timeout_ms(FileLines(lines)) == FLINKS_OWN_MS
