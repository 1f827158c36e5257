"""The feed over a real server, broker and Cassandra: snapshot, changes, coming back, and who may see what."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cassandra.cluster import Session
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from serving import keys
from tests.publisher.wire import Wire
from tests.serving.other_tables import EXPOSURE, other_tables
from tests.serving.published import Publisher
from tests.serving.tables import FIRST, SECOND, activate
from tests.serving.test_serve_command import served

LIMIT_S = 60
DAY = "day=2026-11-21"
_PROTOCOL = "kappafleet.feed"


class Socket:
    """A WebSocket of the feed."""

    def __init__(self, address: str, path: str, **options: Any) -> None:
        url = address.replace("http", "ws", 1) + path
        self._stack = ExitStack()
        opened = connect(url, open_timeout=LIMIT_S, **options)
        self._socket: ClientConnection = self._stack.enter_context(opened)

    def next(self, *, of: str | None = None) -> dict[str, Any]:
        """The next event, or the next of that name."""
        while True:
            found: dict[str, Any] = json.loads(self._socket.recv(timeout=LIMIT_S))
            if found["event"] != "beat" and of in (None, found["event"]):
                return found

    def rows(self, count: int) -> list[dict[str, Any]]:
        """The rows of the next changes, until there are so many."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += [each["row"] for each in self.next(of="changes")["data"]["changes"]]
        return found

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def address(filled: Session, publisher: Publisher) -> Iterator[str]:
    with served("--rate", "0") as found:
        with Socket(found, f"/v1/fleets/north/feed?{DAY}") as socket:
            _await_live(socket)
        yield found


def _await_live(socket: Socket) -> None:
    event = socket.next()
    while not event["data"].get("live"):
        event = socket.next()


def test_a_snapshot_comes_first_and_then_what_changes(address: str, publisher: Publisher) -> None:
    with Socket(address, f"/v1/fleets/north/feed?{DAY}", subprotocols=[_PROTOCOL]) as socket:
        first = socket.next()
        assert first["event"] == "snapshot"
        assert first["data"]["live"]
        vehicles = first["data"]["tables"]["vehicle_live"]
        assert vehicles["key"] == ["fleet_id", "vehicle_id"]
        assert "van-7" in [row["vehicle_id"] for row in vehicles["rows"]]
        assert "anna" in [row["driver_id"] for row in first["data"]["tables"]["fleet_day"]["rows"]]

        publisher.vehicle("van-7", speed_kmh=61.5)
        publisher.vehicle("van-9", fleet="south")
        publisher.vehicle("van-7", version=SECOND, speed_kmh=1.0)
        publisher.event("anna", "2026-11-21T10:00:00.000Z", peak=5.5)

        live, event = socket.rows(2)
        assert live == {"fleet_id": "north", "vehicle_id": "van-7", "speed_kmh": 61.5}
        assert event["peak"] == 5.5


def test_who_comes_back_gets_what_was_missed_and_nothing_else(address: str, publisher: Publisher) -> None:
    path = f"/v1/fleets/north/feed?{DAY}&tables=vehicle_live"
    with Socket(address, path) as socket:
        assert list(socket.next()["data"]["tables"]) == ["vehicle_live"]
        publisher.vehicle("van-1", speed_kmh=1.0)
        changed = socket.next(of="changes")
        seen = changed["id"]
    publisher.event("anna", "2026-11-21T10:10:00.000Z")
    for speed in (2.0, 3.0):
        publisher.vehicle("van-1", speed_kmh=speed)
    publisher.vehicle("van-2", speed_kmh=4.0)
    publisher.vehicle("van-3", fleet="south")
    with Socket(address, f"/v1/fleets/north/feed?{DAY}") as other:  # until the server has them all
        publisher.vehicle("van-5")
        while "van-5" not in [row["vehicle_id"] for row in other.rows(1) if "vehicle_id" in row]:
            pass

    with Socket(address, f"{path}&after={seen}") as socket:
        assert socket.next()["event"] == "state"
        rows = socket.rows(3)
        assert [(row["vehicle_id"], row.get("speed_kmh")) for row in rows] == [
            ("van-1", 3.0), ("van-2", 4.0), ("van-5", None),
        ]  # fmt: skip
    with Socket(address, f"{path}&after=0000-5") as socket:
        assert socket.next()["event"] == "snapshot"


def test_server_sent_events_say_the_same_and_resume_by_their_id(address: str, publisher: Publisher) -> None:
    url = f"{address}/v1/drivers/anna/feed?{DAY}"
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Content-Encoding"] is None
        snapshot = _event(answer)
        assert snapshot["event"] == "snapshot"
        tables = snapshot["data"]["tables"]
        assert {"driver_event", "trip", "driver_day", "driver_exposure", "event_weather"} == tables.keys()
        assert len(tables["driver_event"]["rows"]) == 2  # the void one is left out
        publisher.event("anna", "2026-11-21T11:00:00.000Z", peak=6.0)
        publisher.event("bert", "2026-11-21T11:00:00.000Z")
        changes = _event(answer)
        assert [each["row"]["peak"] for each in changes["data"]["changes"]] == [6.0]
    publisher.event("anna", "2026-11-21T11:01:00.000Z", peak=7.0)
    request = urllib.request.Request(url, headers={"Last-Event-ID": changes["id"]})
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        assert _event(answer)["event"] == "state"
        assert [each["row"]["peak"] for each in _event(answer)["data"]["changes"]] == [7.0]


def _event(answer: Any) -> dict[str, Any]:
    """The next event of a stream."""
    found: dict[str, Any] = {}
    for raw in answer:
        line = raw.decode().rstrip("\n")
        if not line and "event" in found:
            found["data"] = json.loads(found["data"])
            return found
        name, separator, value = line.partition(": ")
        if separator and name:
            found[name] = value
    raise AssertionError("the stream has ended")


def test_a_driver_feed_has_exposures_and_the_weather_of_events_but_not_for_keys_of_fleets(
    filled: Session, publisher: Publisher, tmp_path: Path
) -> None:
    file = tmp_path / "keys.yaml"
    tokens = {fleets: keys.add(file, name, "reader", list(fleets)) for name, fleets in _WHO.items()}
    path, own = f"/v1/drivers/anna/feed?{DAY}", {"driver_exposure", "event_weather"}
    with other_tables(filled), served("--rate", "0", "--keys", str(file)) as found, ExitStack() as stack:
        sockets = {
            fleets: stack.enter_context(
                Socket(found, path, additional_headers={"Authorization": f"Bearer {token}"})
            )
            for fleets, token in tokens.items()
        }
        for fleets, socket in sockets.items():
            first = socket.next(of="snapshot")["data"]
            shown = first["tables"]
            assert own & shown.keys() == (set() if fleets else own)
            if not fleets:
                assert [row["pm2_5_mean"] for row in shown["driver_exposure"]["rows"]] == [25.8]
                assert [row["temperature"] for row in shown["event_weather"]["rows"]] == [9.4]
            while not first["live"]:
                first = socket.next()["data"]
        row = {
            "driver_id": "anna",
            "day": "2026-11-21",
            "hour_start": "2026-11-21T12:00:00.000Z",
            "pm2_5_mean": 31.5,
        }
        publisher.change("driver_exposure", "none", "anna", job=EXPOSURE, **row)
        publisher.event("anna", "2026-11-21T12:01:00.000Z")
        assert [each.get("pm2_5_mean") for each in sockets[()].rows(2)] == [31.5, None]
        assert [each["type"] for each in sockets["north",].rows(1)] == ["harsh_brake"]


_WHO: dict[str, tuple[str, ...]] = {"all": (), "north": ("north",)}


def test_a_key_gets_no_row_of_another_fleet_and_ends_with_its_removal(
    filled: Session, publisher: Publisher, tmp_path: Path
) -> None:
    file = tmp_path / "keys.yaml"
    north = keys.add(file, "north", "reader", ["north"])
    everybody = keys.add(file, "all", "reader", [])
    with served("--rate", "0", "--keys", str(file)) as found:
        for path, token, status, problem in (
            ("/v1/fleets/north/feed", None, 401, "key-needed"),
            ("/v1/fleets/north/feed", "kf_wrong", 401, "key-unknown"),
            ("/v1/fleets/south/feed", north, 403, "not-allowed"),
            ("/v1/areas/u33d/feed", north, 403, "not-allowed"),
            ("/v1/fleets/north/feed?tables=rejects", everybody, 400, "invalid-parameter"),
            ("/v1/fleets/north/feed?day=yesterday", everybody, 400, "invalid-parameter"),
            ("/v1/fleets/north/feed?limit=5", everybody, 400, "invalid-parameter"),
        ):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            with pytest.raises(InvalidStatus) as refused:
                Socket(found, path, additional_headers=headers)
            assert refused.value.response.status_code == status
            assert problem in refused.value.response.body.decode()
            with pytest.raises(urllib.error.HTTPError) as answered:
                urllib.request.urlopen(urllib.request.Request(found + path, headers=headers), timeout=LIMIT_S)
            assert answered.value.code == status
            assert problem in answered.value.read().decode()
            answered.value.close()
        with pytest.raises(InvalidStatus) as refused:
            Socket(
                found,
                "/v1/fleets/north/feed",
                origin="http://evil.example",
                subprotocols=[_PROTOCOL, north],
            )
        assert refused.value.response.status_code == 403

        # As a page sends it.
        with Socket(found, f"/v1/drivers/anna/feed?{DAY}", subprotocols=[_PROTOCOL, north]) as socket:
            snapshot = socket.next()
            assert {row["fleet_id"] for row in snapshot["data"]["tables"]["driver_event"]["rows"]} == {
                "north"
            }
            if not snapshot["data"]["live"]:
                _await_live(socket)
            publisher.event("anna", "2026-11-21T12:00:00.000Z", fleet="south")
            publisher.change(
                "driver_day", "none", "anna", driver_id="anna", month="2026-11", day="2026-11-20"
            )
            publisher.change(
                "driver_day", "none", "anna", driver_id="anna", month="2026-11", day="2026-11-21"
            )
            publisher.change("driver_week", "none", "anna", driver_id="anna", year="2026", week="2026-11-16")
            publisher.event("anna", "2026-11-21T12:01:00.000Z", fleet="north")
            rows = socket.rows(2)
            assert [(row.get("fleet_id"), row["day"]) for row in rows] == [
                (None, "2026-11-21"),
                ("north", "2026-11-21"),
            ]

            keys.remove(file, "north")
            publisher.event("anna", "2026-11-21T12:02:00.000Z", fleet="north")
            assert socket.next(of="problem")["data"]["type"] == "urn:kappafleet:problem:key-unknown"
            with pytest.raises(ConnectionClosed):
                socket.next()


def test_a_lost_broker_is_said_and_what_was_missed_comes_as_a_snapshot(
    filled: Session, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = Wire(int(os.environ["KF_TEST_RABBITMQ_AMQP_PORT"]))
    monkeypatch.setenv("KF_TEST_RABBITMQ_AMQP_PORT", str(wire.port))
    try:
        with served("--rate", "0") as found, Socket(found, f"/v1/fleets/north/feed?{DAY}") as socket:
            _await_live(socket)
            wire.refuse = 3
            wire.cut()
            lost = socket.next(of="state")["data"]
            assert not lost["live"]
            assert lost["since"]
            again = socket.next(of="snapshot")
            assert again["data"]["live"]
            publisher.vehicle("van-7", speed_kmh=33.0)
            assert socket.rows(1)[0]["speed_kmh"] == 33.0
    finally:
        wire.close()


def test_clients_follow_a_switch_of_versions(address: str, publisher: Publisher, filled: Session) -> None:
    with Socket(address, f"/v1/drivers/anna/feed?{DAY}") as socket:
        assert socket.next()["data"]["tables"]["driver_day"]["rows"][0]["distance_km"] == 100.0
        try:
            activate(filled, SECOND)
            assert socket.next(of="snapshot")["data"]["tables"]["driver_day"]["rows"][0]["distance_km"] == 7.0
        finally:
            activate(filled, FIRST)
        assert socket.next(of="snapshot")["data"]["tables"]["driver_day"]["rows"][0]["distance_km"] == 100.0
