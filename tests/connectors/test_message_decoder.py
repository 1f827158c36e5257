"""Messages decoded in Python; tests/driver_stats/test_oracle.py holds it against the operator's decoder."""

from __future__ import annotations

import pytest

from connectors.columnar import MessageSpec, NumberField, SampleField
from connectors.message_decoder import KeyScan, MessageDecoder, Reject

T = 1_700_000_000_000
HOUR_MS = 3_600_000
SPEC = MessageSpec(
    schema_id="telemetry/1",
    id_field="vehicle_id",
    texts=("driver_id",),
    integers=("seq",),
    numbers=(NumberField("weight", 0, 100), NumberField("free")),
    samples=(SampleField("speed", min=0, max=400), SampleField("odometer"), SampleField("on", "boolean")),
    allowed_lateness_ms=HOUR_MS,
)


def code(body: str, arrival_ms: int = 0) -> str:
    with pytest.raises(Reject) as refused:
        MessageDecoder(SPEC).decode(body.encode(), "v1", arrival_ms)
    assert str(refused.value).startswith(f"{refused.value.code}: ")
    assert len(str(refused.value)) < 400
    return refused.value.code


def test_every_declared_field_is_read() -> None:
    found = MessageDecoder(SPEC).decode(
        b'{"schema":"telemetry/1","vehicle_id":"v1","driver_id":"J\\u00f6rg \\ud83d\\ude97","seq":7,"weight":5,'
        b'"x":{"t":[1]},"samples":{"t":[1700000000000,1700000001000],"speed":[1.5,null],"odometer":[12,-3e2],'
        b'"on":[true,null],"rpm":[[]]}}',
        "v1",
        offset=5,
    )
    assert (found.key, found.times, found.offset) == ("v1", [T, T + 1000], 5)
    assert found.samples == {"speed": [1.5, None], "odometer": [12, -300.0], "on": [True, None]}
    assert (found.texts, found.integers, found.numbers) == (
        {"driver_id": "Jörg 🚗"},
        {"seq": 7},
        {"weight": 5.0},
    )


def test_what_is_null_or_empty_is_missing() -> None:
    found = MessageDecoder(SPEC).decode(
        b'{"vehicle_id":"v1","driver_id":"","seq":null,"weight":null,"samples":{"t":[1700000000000],"speed":null}}',
        "v1",
    )
    assert (found.texts, found.integers) == ({"driver_id": None}, {"seq": None})
    assert (found.numbers, found.samples) == ({"weight": None}, {})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"vehicle_id":"v1","weight":101,', "out_of_range"),
        ('{"vehicle_id":"v1","weight":"1,', "not_a_number"),
        ('{"vehicle_id":"v1","free":1e999,', "out_of_range"),
        ('{"vehicle_id":"v1","free":1.,', "not_json"),
        ('{"vehicle_id":"v2"', "id_mismatch"),
        ('{"vehicle_id":"v1","driver_id":"' + "é" * 33 + '"', "id_too_long"),
        ('{"vehicle_id":"v1","samples":{"t":[1700000000000],"speed":[1,401,NaN', "out_of_range"),
        ('{"vehicle_id":"v1","samples":{"t":[1700000000000],"speed":[1,NaN,401', "not_json"),
        ('{"vehicle_id":"v1","samples":{"t":[1700000000000,1,x', "time_out_of_range"),
        ('{"vehicle_id":"v1","samples":{"speed":[1,2],"t":[1700000000000]}} x', "not_json"),
        ('{"vehicle_id":"v1","samples":{"speed":[1,2],"t":[1700000000000]}}', "unequal_lengths"),
        ('{"samples":{"speed":[1,2],"t":[1700000000000]}}', "missing_id"),
    ],
)
def test_the_first_fault_decides(body: str, expected: str) -> None:
    assert code(body) == expected


@pytest.mark.parametrize(
    ("arrival_ms", "expected"),
    [
        (0, None),
        (T + HOUR_MS, None),
        (T + HOUR_MS + 1, "too_late"),
        (T + 10_000 - 300_000, None),
        (T + 10_000 - 300_001, "ahead_of_clock"),
    ],
)
def test_the_arrival_decides_what_is_too_late_or_ahead(arrival_ms: int, expected: str | None) -> None:
    body = '{"vehicle_id":"v1","samples":{"t":[1700000000000,1700000010000]}}'
    if expected:
        assert code(body, arrival_ms) == expected
    else:
        assert MessageDecoder(SPEC).decode(body.encode(), "v1", arrival_ms).arrival_ms == arrival_ms


def test_depth_does_not_matter_up_to_a_limit() -> None:
    for levels, accepted in ((999, True), (1000, False), (100_000, False)):
        nested = "[" * levels + "]" * levels
        body = f'{{"vehicle_id":"v1","x":{nested},"samples":{{"t":[{T}]}}}}'
        if accepted:
            assert MessageDecoder(SPEC).decode(body.encode(), "v1").times == [T]
        else:
            assert code(body) == "not_json"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"vehicle_id":"v1"}', "v1"),
        ('{"vehicle_id" :\t"v1"}', "v1"),
        ('{"x":{"vehicle_id":"inner"},"vehicle_id":"v1"}', "inner"),
        ('{"x":["vehicle_id"],"vehicle_id":"v1"}', "v1"),
        ('{"vehicle_id":"a\\"b\\u00e9\\ud83d\\ude97"}', 'a"bé🚗'),
        ('{"vehicle_id":17}', ""),
        ('{"vehicle_id":"v1', ""),
        ("nothing", ""),
    ],
)
def test_a_key_is_found_without_decoding(body: str, key: str) -> None:
    assert KeyScan("vehicle_id").key(body.encode()) == key
