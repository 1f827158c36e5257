"""The feed's memory: what each client is given of changes that come late, twice, in parts, or too fast for it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from serving.feed_hub import Client, Hub
from serving.feed_rows import Arrived, Rows, arrived

KEYSPACE = "kf_driver_stats_v1"

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def live(
    vehicle: str, write_us: int, fleet: str = "north", producer: str = KEYSPACE, **columns: Any
) -> Arrived:
    """A change of vehicle_live."""
    body = {"fleet_id": fleet, "vehicle_id": vehicle, **columns}
    return Arrived(
        producer, "vehicle_live", f"vehicle_live/{fleet}/{vehicle}", write_us, json.dumps(body).encode()
    )


def event(driver: str, write_us: int, fleet: str = "north") -> Arrived:
    """A change of driver_event."""
    body = {"driver_id": driver, "fleet_id": fleet, "type": "harsh_brake", "event_time": "t"}
    return Arrived(KEYSPACE, "driver_event", f"driver_event/{driver}/t", write_us, json.dumps(body).encode())


def taken(client: Client) -> list[dict[str, Any]]:
    """What a client is given, as JSON."""
    batch, text, _ = client.take()
    found = (
        json.loads(f"[{text}]") if text is not None else [json.loads(each.text) for each in batch.values()]
    )
    assert found == [json.loads(each.text) for each in batch.values()]
    return found


async def dealt(client: Client) -> list[dict[str, Any]]:
    assert await client.wait(5.0)
    return taken(client)


async def test_a_client_gets_the_changes_of_what_it_follows() -> None:
    hub = Hub()
    north, south, anna = hub.follow("fleet/north"), hub.follow("fleet/south"), hub.follow("driver/anna")

    hub.take_in([live("v1", 1, speed_kmh=50), event("anna", 2), event("bert", 3)])

    assert [each["table"] for each in await dealt(north)] == ["vehicle_live", "driver_event", "driver_event"]
    assert [each["row"]["driver_id"] for each in await dealt(anna)] == ["anna"]
    assert not await south.wait(0.01)


async def test_an_older_or_repeated_change_is_none() -> None:
    hub = Hub()
    client = hub.follow("fleet/north")
    hub.take_in([live("v1", 5, speed_kmh=50), live("v1", 5, speed_kmh=50), live("v1", 4, speed_kmh=40)])
    assert [each["row"]["speed_kmh"] for each in await dealt(client)] == [50]
    hub.take_in([live("v1", 5, speed_kmh=50), live("v1", 3, speed_kmh=30)])
    assert not await client.wait(0.3)


async def test_columns_that_a_change_leaves_stay_and_those_of_two_writers_come_together() -> None:
    hub = Hub()
    client = hub.follow("fleet/north")
    hub.take_in(
        [live("v1", 5, speed_kmh=50, lat=None), live("v1", 7, drive_left_min=30), live("v1", 6, speed_kmh=60)]
    )
    (found,) = await dealt(client)
    assert found["row"] == {
        "fleet_id": "north", "vehicle_id": "v1", "speed_kmh": 60, "lat": None, "drive_left_min": 30
    }  # fmt: skip


async def test_a_slow_client_gets_the_newest_values_of_each_row() -> None:
    hub = Hub()
    slow, quick = hub.follow("fleet/north"), hub.follow("fleet/north")
    for speed in range(1, 4):
        hub.take_in([live("v1", speed, speed_kmh=speed), live(f"w{speed}", 1)])
        assert await quick.wait(5.0)
        assert len(taken(quick)) == 2
    assert slow.waiting == 4
    found = {each["row"]["vehicle_id"]: each["row"] for each in await dealt(slow)}
    assert found.keys() == {"v1", "w1", "w2", "w3"}
    assert found["v1"]["speed_kmh"] == 3


async def test_what_waits_for_one_client_is_not_changed_by_what_waits_for_another() -> None:
    hub = Hub()
    first, second = hub.follow("fleet/north"), hub.follow("fleet/north")
    hub.take_in([live("v1", 1)])
    await asyncio.sleep(0.2)
    hub.take_in([live("v2", 1)])
    assert await first.wait(5.0)
    await asyncio.sleep(0.2)
    assert len(taken(first)) == 2
    hub.take_in([live("v3", 1)])
    assert [each["row"]["vehicle_id"] for each in await dealt(first)] == ["v3"]
    assert len(taken(second)) == 3


async def test_more_rows_than_may_wait_make_a_snapshot_due_and_hold_no_memory() -> None:
    hub = Hub(most_pending=100)
    client = hub.follow("fleet/north")
    for turn in range(30):
        hub.take_in([live(f"v{turn}-{number}", 1) for number in range(10)])
        hub._deal()
        assert client.waiting <= 100
    assert client.outdated()
    assert not client.outdated()


async def test_a_client_that_comes_back_gets_what_it_missed() -> None:
    hub = Hub()
    client = hub.follow("fleet/north")
    hub.take_in([live("v1", 1, speed_kmh=1)])
    await dealt(client)
    seen = hub.position
    hub.leave(client)
    hub.take_in(
        [live("v1", 2, speed_kmh=2), live("v2", 1, fleet="south"), live("v1", 3, speed_kmh=3), live("v3", 1)]
    )

    missed = hub.missed("fleet/north", seen)

    assert missed is not None
    assert [(each.values["vehicle_id"], each.values.get("speed_kmh")) for each in missed.values()] == [
        ("v1", 3),
        ("v3", None),
    ]
    assert hub.missed("fleet/north", hub.position) == {}


@pytest.mark.parametrize(
    "position", ["", "x", "-5", "{epoch}-", "{epoch}-999", "{epoch}-٣", "other-3", "{epoch}-1"]
)
async def test_a_position_that_is_not_known_any_more_needs_a_snapshot(position: str) -> None:
    hub = Hub(kept=5)
    hub.take_in([live(f"v{number}", 1) for number in range(10)])
    assert hub.missed("fleet/north", position.replace("{epoch}", hub.epoch)) is None
    assert hub.missed("fleet/north", f"{hub.epoch}-5") is not None


async def test_after_a_gap_all_clients_start_anew_and_hear_of_it() -> None:
    hub = Hub(now=lambda: 1_763_701_200.0)
    client = hub.follow("fleet/north")
    hub.connected()
    assert client.told()
    assert client.outdated()
    before = hub.position
    hub.lost("the broker is away")
    assert client.told()
    assert hub.state() == {"live": False, "since": "2025-11-21T05:00:00.000Z", "why": "the broker is away"}
    hub.connected()
    assert client.outdated()
    assert hub.missed("fleet/north", before) is None
    assert hub.state()["live"]


async def test_only_the_version_that_readers_use_counts() -> None:
    hub = Hub()
    client = hub.follow("fleet/north")
    hub.use({"driver_stats": 2})
    hub.take_in(
        [live("v1", 1), live("v2", 1, producer="kf_driver_stats_v2"), live("v3", 1, producer="elsewhere")]
    )
    assert [each["row"]["vehicle_id"] for each in await dealt(client)] == ["v2"]
    hub.use({"driver_stats": 2})
    assert not client.outdated()
    hub.use({"driver_stats": 3})
    assert client.outdated()


async def test_what_is_no_row_is_left_out() -> None:
    hub = Hub()
    client = hub.follow("fleet/north")
    for body in (b"", b"[]", b"{", b"\xff"):
        hub.take_in([Arrived(KEYSPACE, "vehicle_live", "vehicle_live/north/v1", 1, body)])
    hub.take_in([Arrived(KEYSPACE, "no_table", "no_table/1", 1, b"{}")])
    assert not await client.wait(0.3)


def test_rows_are_forgotten_when_there_are_too_many() -> None:
    rows = Rows(most=3)
    for number in range(10):
        rows.change(live(f"v{number}", 1), lambda: 1)
    assert len(rows) == 3


def test_a_message_that_no_job_published_is_none() -> None:
    fields: dict[str, Any] = {
        "headers": {"write_us": 5},
        "message_id": "vehicle_live/north/v1@5-3",
        "type": "vehicle_live",
        "app_id": KEYSPACE,
    }
    found = arrived(SimpleNamespace(**fields), b"{}")
    assert found == Arrived(KEYSPACE, "vehicle_live", "vehicle_live/north/v1", 5, b"{}")
    for wrong in (
        {"headers": {"write_us": "5"}},
        {"headers": None},
        {"message_id": "no version"},
        {"message_id": None},
        {"type": None},
        {"app_id": None},
    ):
        assert arrived(SimpleNamespace(**(fields | wrong)), b"{}") is None
