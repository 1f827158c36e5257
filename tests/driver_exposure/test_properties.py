"""However both logs are cut, ordered, doubled and overtaken by the watermark, the tables are the oracle's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.driver_exposure.harness import content, drive, expected, readings, run

LATS = st.sampled_from([52.5, 52.9, 52.51, None])
SLOTS = 12
SLOT_S = 900


@st.composite
def logs(draw):
    """Drives of two vehicles in slots of a quarter of an hour, and readings of four sensors, with copies."""
    found = []
    for number, vehicle in enumerate(("v", "w")):
        for slot in sorted(draw(st.sets(st.integers(0, SLOTS - 1), max_size=5))):
            count = draw(st.integers(1, 40))
            lats = [draw(LATS)] * count
            brakes = draw(st.sets(st.integers(0, count - 1), max_size=2))
            driver = draw(st.sampled_from(["d", "e", None]))
            found.append(
                drive(
                    SLOT_S * slot + draw(st.integers(0, 90)),
                    lats,
                    vehicle=vehicle,
                    driver=driver,
                    seq=slot,
                    brakes=sorted(brakes),
                    step_s=draw(st.sampled_from([1, 5])),
                    lon=13.4 + number / 1000,
                )
            )
    sensors = {"dust": "SDS011", "smoke": "PurpleAir", "weather": "DHT22", "other": None}
    values = st.one_of(st.none(), st.floats(0, 45), st.sampled_from([20.0, 999.9, 0.0]))
    for _ in range(draw(st.integers(0, 8))):
        sensor = draw(st.sampled_from(sorted(sensors)))
        count = draw(st.integers(1, 6))
        names = ("temperature", "humidity") if sensor == "weather" else ("pm2_5", "humidity", "pressure")
        found.append(
            readings(
                draw(st.integers(0, SLOTS)) * SLOT_S,
                sensor=sensor,
                model=sensors[sensor],
                lat=52.5 if sensor != "other" else 52.9,
                **{name: draw(st.lists(values, min_size=count, max_size=count)) for name in names},
            )
        )
    copies = draw(st.lists(st.sampled_from(found), max_size=3)) if found else []
    return found, copies


OVERRIDES = ["min_completeness=0.05", "cell=6"]


@settings(max_examples=60, deadline=None)
@given(log=logs(), data=st.data())
def test_any_cut_and_copies_and_interleaving_give_the_oracles_tables(log, data):
    messages, copies = log
    # Each vehicle's own messages stay in their order (driver_stats says how far they may stray); readings need not.
    driven = {name: [each for each in messages if each.get("vehicle_id") == name] for name in ("v", "w")}
    measured = [each for each in messages if "sensor_id" in each]
    order = data.draw(
        st.permutations(["v"] * len(driven["v"]) + ["w"] * len(driven["w"]) + ["s"] * len(measured))
    )
    ways = {name: iter(own) for name, own in driven.items()} | {
        "s": iter(data.draw(st.permutations(measured)))
    }
    arranged = [next(ways[name]) for name in order] + copies
    found = run(arranged, data.draw(st.lists(st.integers(1, 20))), overrides=OVERRIDES).tables()
    assert content(found) == expected(messages, OVERRIDES)
    assert all(row["revision"] == 0 for rows in found.values() for row in rows.values())


@settings(max_examples=60, deadline=None)
@given(
    log=logs(),
    cuts=st.lists(st.integers(1, 20)),
    watermarks=st.lists(st.integers(0, 16_000), min_size=1, max_size=4),
    data=st.data(),
)
def test_whatever_comes_late_corrects_the_tables_to_the_oracles(log, cuts, watermarks, data):
    messages, copies = log
    driven = [each for each in messages if "vehicle_id" in each]
    measured = [each for each in messages if "sensor_id" in each]
    halves = data.draw(st.permutations([driven, measured]))
    # One half may come when the other one's hours have long been closed.
    cuts = [*cuts, len(halves[0])]
    found = run([*halves[0], *halves[1], *copies], cuts, watermarks, overrides=OVERRIDES).tables()
    assert content(found) == expected(messages, OVERRIDES)
