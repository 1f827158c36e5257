"""Publishing into a real broker: properties, order, confirms, and what happens when the wire is cut."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pika.adapters.blocking_connection import BlockingConnection

from kappafleet.connections import rabbitmq_parameters
from kappafleet.errors import UserError
from kappafleet.messages import Message, lines, message
from kappafleet.pacing import Due, at_rate, unpaced
from kappafleet.publisher import Publisher, Totals
from kappafleet.publishing import Protocol, Run, publish
from kappafleet.streams import declare, stream_names
from tests.publisher.wire import SETTINGS, Wire, stored


def numbered(exchange: str, count: int, vehicles: int = 5, size: int = 0) -> list[Message]:
    """Messages of some vehicles in turn, numbered per vehicle."""
    return [
        message(
            json.dumps(
                {
                    "vehicle_id": f"v{number % vehicles}",
                    "seq": number // vehicles,
                    "samples": {"t": [number]},
                    "pad": "x" * size,
                }
            ).encode(),
            exchange,
        )
        for number in range(count)
    ]


def orders(broker: BlockingConnection, exchange: str) -> dict[str, list[int]]:
    """The numbers in the streams, by vehicle, in the streams' order."""
    found: dict[str, list[int]] = {}
    for each in stored(broker, exchange, SETTINGS.partitions):
        value = json.loads(each.body)
        found.setdefault(value["vehicle_id"], []).append(value["seq"])
    return found


def without_copies(numbers: list[int]) -> list[int]:
    return list(dict.fromkeys(numbers))


@pytest.mark.parametrize("protocol", Protocol)
def test_every_line_arrives_byte_for_byte_with_its_properties(
    broker: BlockingConnection, exchange: str, tmp_path: Path, protocol: Protocol
) -> None:
    good = b'{"schema":"telemetry/1", "vehicle_id":"v-\xc3\xa4","seq":3,"samples":{"t":[1,1600000000000]}}'
    bad = [b"not json \xff", b'{"schema":"telemetry/1","samples":{"t":[5]}}', b"x" * 10_000_000]
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"\n".join([good, *bad]))
    publish(Run(file, exchange=exchange, streams=SETTINGS, protocol=protocol))
    found = {each.body: each for each in stored(broker, exchange, 3)}
    assert set(found) == {good, *bad}
    if protocol is Protocol.AMQP:
        assert found[good].key == "v-ä"
    properties = found[good].properties
    assert properties.headers["key"] == "v-ä"
    assert properties.headers["event_time"] == 1_600_000_000_000
    assert properties.message_id == "v-ä:3"
    assert properties.content_type == "application/json"
    assert properties.delivery_mode == (
        2 if protocol is Protocol.AMQP else None
    )  # streams keep all in any case
    for body in bad:
        assert protocol is Protocol.STREAM or found[body].key == ""
        assert not {"key", "event_time"} & set(found[body].properties.headers or {})


def test_a_vehicle_stays_in_one_stream_in_order(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    totals = Publisher(rabbitmq_parameters()).publish(unpaced(numbered(exchange, 5000, vehicles=50)))
    assert (totals.published, totals.confirmed, totals.samples, totals.repeated) == (5000, 5000, 5000, 0)
    assert orders(broker, exchange) == {f"v{number}": list(range(100)) for number in range(50)}


def test_the_streams_share_the_vehicles(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    Publisher(rabbitmq_parameters()).publish(unpaced(numbered(exchange, 300, vehicles=300)))
    found = [each.stream for each in stored(broker, exchange, SETTINGS.partitions)]
    assert len(found) == 300
    assert set(found) == set(stream_names(exchange, SETTINGS.partitions))


def test_nothing_is_lost_or_reordered_when_the_wire_is_cut_again_and_again(
    broker: BlockingConnection, exchange: str, wire: Wire
) -> None:
    declare(broker, exchange, SETTINGS)
    cuts = iter([200_000, 300_000, 900_000])

    def cut_next(_totals: Totals) -> None:
        if wire.cut_after is None and (after := next(cuts, None)) is not None:
            wire.refuse, wire.cut_after = 2, wire.bytes_up + after

    wire.cut_after = 100_000
    messages = numbered(exchange, 6000, size=500)
    totals = Publisher(rabbitmq_parameters(), cut_next).publish(at_rate(messages, 6000))
    assert totals.confirmed == 6000
    assert totals.reconnects >= 2
    assert totals.repeated > 0
    found = orders(broker, exchange)
    assert {vehicle: without_copies(numbers) for vehicle, numbers in found.items()} == {
        f"v{number}": list(range(1200)) for number in range(5)
    }


def test_a_silent_broker_ends_publishing_with_what_is_confirmed(
    broker: BlockingConnection, exchange: str, wire: Wire
) -> None:
    declare(broker, exchange, SETTINGS)

    def endless() -> Iterator[Due]:
        for number, each in enumerate(numbered(exchange, 100_000)):
            if number == 3000:
                wire.freeze()
            yield 0.0, each

    started = time.monotonic()
    with pytest.raises(
        UserError, match=r"confirmed nothing for 1 s: .* messages are confirmed, 1000 under way"
    ):
        Publisher(rabbitmq_parameters(), patience_s=1).publish(endless())
    assert time.monotonic() - started < 20


def test_a_broker_that_stays_away_ends_publishing(
    broker: BlockingConnection, exchange: str, wire: Wire
) -> None:
    declare(broker, exchange, SETTINGS)
    wire.cut_after = 50_000

    def away(totals: Totals) -> None:
        if totals.confirmed:
            wire.refuse = 10**9

    with pytest.raises(UserError, match="confirmed nothing for 2 s"):
        Publisher(rabbitmq_parameters(), away, patience_s=2).publish(at_rate(numbered(exchange, 5000), 1000))


def test_an_error_of_the_input_ends_publishing_and_is_told(broker: BlockingConnection, exchange: str) -> None:
    """Whatever it is: else the rest of the input would be left out, and all seem well."""
    declare(broker, exchange, SETTINGS)

    def broken() -> Iterator[Due]:
        yield from unpaced(numbered(exchange, 5))
        raise RuntimeError("the input broke")

    with pytest.raises(RuntimeError, match="the input broke"):
        Publisher(rabbitmq_parameters()).publish(broken())


def test_an_exchange_without_streams_is_an_error_not_a_loss(
    broker: BlockingConnection, exchange: str
) -> None:
    broker.channel().exchange_declare(exchange, exchange_type="x-consistent-hash", durable=True)
    with pytest.raises(UserError, match=f"exchange {exchange} leads to no stream: a message of v0 came back"):
        Publisher(rabbitmq_parameters()).publish(unpaced(numbered(exchange, 5)))


def test_a_missing_exchange_says_how_to_make_it(exchange: str, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"{}\n")
    with pytest.raises(UserError, match=rf"no exchange '{exchange}'.*without --no-declare"):
        publish(Run(file, exchange=exchange, streams=None, protocol=Protocol.AMQP))
    with pytest.raises(UserError, match=rf"{exchange} leads to no stream: .*without --no-declare"):
        publish(Run(file, exchange=exchange, streams=None))


def test_streams_with_other_settings_end_publishing(
    broker: BlockingConnection, exchange: str, demo_files: list[Path]
) -> None:
    declare(broker, exchange, SETTINGS)
    with pytest.raises(UserError, match="more than the 1 streams"):
        publish(Run(demo_files[0], exchange=exchange, streams=replace(SETTINGS, partitions=1)))


def test_input_that_breaks_off_ends_publishing_after_what_was_read(
    broker: BlockingConnection, exchange: str
) -> None:
    declare(broker, exchange, SETTINGS)

    def breaking_off() -> Iterator[Due]:
        for each in numbered(exchange, 10):
            yield 0.0, each
        raise UserError("x.jsonl.gz can't be read")

    with pytest.raises(UserError, match="can't be read"):
        Publisher(rabbitmq_parameters()).publish(breaking_off())


def test_messages_wait_for_their_time(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    seen: list[tuple[float, int]] = []
    started = time.monotonic()

    def note(totals: Totals) -> None:
        seen.append((time.monotonic() - started, totals.published))

    Publisher(rabbitmq_parameters(), note).publish(at_rate(numbered(exchange, 30), 20))
    assert time.monotonic() - started >= 1.45
    assert all(published <= 1 + 20 * seconds for seconds, published in seen)


def test_waiting_longer_than_patience_is_no_failure(broker: BlockingConnection, exchange: str) -> None:
    declare(broker, exchange, SETTINGS)
    first, second = numbered(exchange, 2)
    totals = Publisher(rabbitmq_parameters(), patience_s=0.5).publish(iter([(0.0, first), (1.5, second)]))
    assert totals.confirmed == 2


def test_replay_at_event_pace_shifted_to_now(
    broker: BlockingConnection, exchange: str, demo_files: list[Path]
) -> None:
    before = time.time_ns() // 1_000_000
    publish(Run(demo_files[0], exchange=exchange, streams=SETTINGS, speedup=1e6, shift_to_now=True))
    times = [each.properties.headers["event_time"] for each in stored(broker, exchange, 3)]
    assert before <= max(times) <= time.time_ns() // 1_000_000
    assert len(times) == sum(1 for _ in lines([demo_files[0]]))


def test_two_paces_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="exclude each other"):
        publish(Run(tmp_path, speedup=2.0, rate=3.0))


def test_an_unreachable_broker_is_reported_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, demo_files: list[Path]
) -> None:
    monkeypatch.setenv("KF_RABBITMQ_AMQP_PORT", "1")
    with pytest.raises(UserError, match="RabbitMQ"):
        publish(Run(demo_files[0]))
