"""Tables of reference data: what a message must be, which row counts, and what holds at a time."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.columnar_runtime import Runtime
from connectors.reference import Place, ReferenceTable, RefusedRow
from schemas.references import Field, Reference, reference

PRICES = Reference(
    "prices",
    "price/1",
    (Field("thing", "string", required=True, max_bytes=8), Field("size", "integer", required=False)),
    (
        Field("price", "number", required=False, minimum=0, maximum=1000),
        Field("note", "string", required=False),
    ),
)


def row(thing: object, price: object, valid_from: object, **more: Any) -> bytes:
    told = {"schema": "price/1", "thing": thing, "price": price, "valid_from": valid_from, **more}
    return json.dumps(told).encode()


def table(*rows: bytes) -> ReferenceTable:
    found = ReferenceTable(PRICES)
    for offset, body in enumerate(rows):
        found.put(body, Place(5, "prices-0", offset))
    return found


def test_a_value_holds_from_its_time_on_until_its_end() -> None:
    found = table(row("tea", 2, 100, valid_to=200), row("tea", 3, 300, note="dear"))
    key = ("tea", None)
    assert [found.at(key, ms) for ms in (99, 100, 199, 200, 300)] == [
        None,
        (2.0, None),
        (2.0, None),
        None,
        (3.0, "dear"),
    ]
    assert found.at(("coffee", None), 150) is None
    assert found.at(("tea", 5), 150) is None


def test_what_holds_for_a_while_covers_what_held_before_and_gives_it_back() -> None:
    steps = table(
        row("tea", 2, 100), row("tea", 9, 200, valid_to=300), row("tea", 8, 250, valid_to=260)
    ).steps(("tea", None))
    assert steps.starts == [100, 200, 250, 260, 300]
    assert [values and values[0] for values in steps.values] == [2, 9, 8, 9, 2]


def test_of_rows_that_are_one_the_highest_version_counts_then_the_last_in_the_log() -> None:
    assert table(row("tea", 2, 0, version=2), row("tea", 3, 0, version=1)).at(("tea", None), 0) == (2, None)
    assert table(row("tea", 2, 0, version=1), row("tea", 3, 0, version=1)).at(("tea", None), 0) == (3, None)
    again = table(row("tea", 3, 0))
    assert again.put(row("tea", 2, 0), Place(4, "prices-0", 9)) is None, "an older arrival"
    assert again.put(row("tea", 3, 0), Place(5, "prices-0", 0)) is None, "the same once more"


def test_a_row_without_values_is_withdrawn_and_what_it_covered_holds_again() -> None:
    found = table(row("tea", 2, 100), row("tea", 3, 200), row("tea", None, 200))
    assert found.at(("tea", None), 250) == (2, None)
    assert table(row("tea", None, 200)).at(("tea", None), 250) is None


def test_changes_are_told_once() -> None:
    found = table(row("tea", 2, 100), row("milk", 1, 100))
    assert found.take_changes() == {("tea", None), ("milk", None)}
    found.put(row("tea", 2, 100, version=-1))
    assert found.take_changes() == set()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"nonsense", "not_json"),
        (b"[]", "wrong_schema"),
        (b'{"schema":"price/1","thing":"tea","price":NaN,"valid_from":1}', "not_json"),
        (row("tea", 1, 1, schema="price/2"), "wrong_schema"),
        (b'{"schema":"price/1","price":1,"valid_from":1}', "missing_field"),
        (row("", 1, 1), "out_of_range"),
        (row("a" * 9, 1, 1), "out_of_range"),
        (b'{"schema":"price/1","thing":"\\ud800","price":1,"valid_from":1}', "not_a_text"),
        (row(7, 1, 1), "not_a_text"),
        (row("tea", 1, 1, size=1.5), "not_a_number"),
        (row("tea", 1, 1, size=True), "not_a_number"),
        (row("tea", "1", 1), "not_a_number"),
        (row("tea", -1, 1), "out_of_range"),
        (row("tea", 10**400, 1), "out_of_range"),
        (row("tea", 1, 1.5), "time_out_of_range"),
        (row("tea", 1, 2**63), "time_out_of_range"),
        (row("tea", 1, 1, valid_to="later"), "time_out_of_range"),
        (row("tea", 1, 1, valid_to=1), "out_of_range"),
        (row("tea", 1, 1, version="a"), "not_a_number"),
        (row("tea", 1, 1, note="x" * 70_000), "too_large"),
        (b"[" * 60_000, "not_json"),
    ],
)
def test_what_is_no_row_is_refused_with_a_reason(body: bytes, reason: str) -> None:
    with pytest.raises(RefusedRow, match=rf"^{reason}: "):
        ReferenceTable(PRICES).put(body)


def test_a_schema_says_what_a_row_is() -> None:
    roads = reference("road_limits", "road_limit/1", ("cell", "heading_from", "heading_to"))
    assert [field.name for field in roads.values] == ["limit_kmh"]
    assert not roads.values[0].required, "null withdraws it"
    found = ReferenceTable(roads)
    good = {"schema": "road_limit/1", "cell": "u33d", "limit_kmh": 50, "valid_from": 0}
    assert found.put(json.dumps(good).encode()) is not None
    for wrong in (
        {"cell": "u33a"},
        {"cell": "u33d" * 3},
        {"limit_kmh": 0},
        {"heading_from": 0, "heading_to": 361},
    ):
        with pytest.raises(RefusedRow, match=r"^out_of_range: "):
            found.put(json.dumps(good | wrong).encode())
    with pytest.raises(RefusedRow, match=r"^missing_field: there is no heading_to"):
        found.put(json.dumps(good | {"heading_from": 0}).encode())
    with pytest.raises(ValueError, match="declares no street"):
        reference("road_limits", "road_limit/1", ("street",))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "thing": st.sampled_from(["tea", "milk"]),
            "price": st.none() | st.integers(0, 9),
            "valid_from": st.integers(0, 9),
            "valid_to": st.none() | st.integers(10, 12) | st.integers(5, 9),
            "version": st.none() | st.integers(0, 2),
        }
    ).filter(lambda each: each["valid_to"] is None or each["valid_to"] > each["valid_from"]),
    max_size=12,
)


def simple(rows: list[tuple[int, Mapping[str, Any]]], thing: str, ms: int) -> float | None:
    """What holds, by the words of the documentation."""
    newest: dict[int, tuple[int, int, Mapping[str, Any]]] = {}
    for offset, each in rows:
        if each["thing"] == thing:
            found = ((each["version"] or 0), offset, each)
            known = newest.get(each["valid_from"], found)
            newest[each["valid_from"]] = max(known, found, key=lambda one: one[:2])
    holding = [
        (valid_from, each["price"])
        for valid_from, (_, _, each) in newest.items()
        if each["price"] is not None
        and valid_from <= ms
        and (each["valid_to"] is None or ms < each["valid_to"])
    ]
    return max(holding)[1] if holding else None


@given(rows=ROWS, data=st.data())
def test_rows_in_any_order_and_any_number_of_times_make_the_same_table(rows: list[Any], data: Any) -> None:
    numbered = list(enumerate(rows))
    shuffled = data.draw(st.permutations(numbered + numbered[: len(rows) // 2]))
    found = ReferenceTable(PRICES)
    for offset, each in shuffled:
        found.put(json.dumps({"schema": "price/1", **each}).encode(), Place(1, "prices-0", offset))
    for thing in ("tea", "milk"):
        for ms in range(-1, 14):
            values = found.at((thing, None), ms)
            assert (values and values[0]) == simple(numbered, thing, ms)


class Priced:
    """The least that a function with reference data is."""

    import numpy as np

    state_dtype = np.dtype([("n", "<i8")])
    state_version = 1
    counters = ()
    outputs: Mapping[str, Any] = {}

    def open(self, settings_json: str, subtask: int) -> None:
        self.references = {"prices": ReferenceTable(PRICES)}


def frame(name: str, body: bytes, offset: int) -> bytes:
    source = "prices-ö".encode()
    head = struct.pack(">qqiii", 5, offset, len(name), len(source), len(body))
    return head + name.encode() + source + body


def test_the_operators_runtime_puts_rows_into_the_functions_tables_and_says_what_became_of_them() -> None:
    spec = {
        "module": __name__,
        "class_name": "Priced",
        "settings_json": "{}",
        "message": {"samples": [], "texts": [], "integers": [], "numbers": []},
    }
    runtime = Runtime(json.dumps(spec), 0)
    bodies = [row("tea", 1, 7), b"nonsense", row("tea", 2, 7, version=1), row("tea", 3, 7)]
    frames = [frame("prices", body, offset) for offset, body in enumerate(bodies)]
    said = runtime.refer(b"".join([*frames, frame("unknown", bodies[0], 9)]))
    assert isinstance(said, bytes)
    assert json.loads(said) == {
        "kept": [{"row": 0, "text": '["tea",null,7]'}, {"row": 2, "text": '["tea",null,7]'}],
        "rejects": [{"row": 1, "text": "not_json: the message is no JSON"}],
    }
    broken = runtime.refer(b"short")
    assert isinstance(broken, str)
    assert "struct.error" in broken
