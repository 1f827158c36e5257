"""A savepoint of an older state layout that is kept here, and the input it was taken in the middle of.

``made.json`` beside a savepoint says everything that another program needs to go on from it: which messages of
data/demo, in which streams, how many of each vehicle came before it, under which settings.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from connectors.columnar_runtime import NO_TIMER
from kappafleet.messages import line_files, lines

DEMO = Path(__file__).resolve().parents[3] / "data" / "demo"
ARCHIVE, MADE, STATES = "savepoint.tar.gz", "made.json", "states.json"

AS_BEFORE_4 = (
    "harsh_rules.derived.min_gap_s=0",
    "harsh_rules.derived.max_gap_s=0.001",
    "score.deduplicate_s=0",
)
"""Layouts before 4 knew nothing of these, so rows that began before the savepoint lack them: nothing is derived, and
every event counts in the score."""
AS_BEFORE_5 = ("idle.event_s=0",)
"""Layouts before 5 knew of no idling, so an event that began before the savepoint would begin after it."""
NOT_AS_BEFORE_4 = frozenset({"speed_limit_unknown_km"})
"""Layouts before 4 counted the metres that a standing vehicle creeps among those of unknown limit."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a savepoint.

    Attributes:
        state_version: layout version of its vehicle states (``jobs.driver_stats.layout.STATE_VERSION``).
        commit: of the code that made it.
        parallelism: of the job that made it.
        settings: overrides of that job and of whoever goes on from it.
        watermark_delay_s: ``watermark.delay_s`` of that job.
        exchanges: by exchange, in the order of publishing: each vehicle and how many of its messages came before
            the savepoint. Each exchange has one stream, ``EXCHANGE-0``, so the offsets follow.
        messages: how many messages came before the savepoint by stream, and after it.
        sha256: of the message lines before and after the savepoint.
    """

    state_version: int
    commit: str
    parallelism: int
    settings: Sequence[str]
    watermark_delay_s: float
    exchanges: Mapping[str, Mapping[str, int]]
    messages: Mapping[str, Sequence[int]]
    sha256: Sequence[str]

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """What the folder's ``made.json`` says; checks that data/demo still holds that input."""
        found = cls(**json.loads((folder / MADE).read_text(encoding="utf-8")))
        assert list(found.sha256) == checksums(found.halves()), (
            f"{folder.name} was made of other messages than data/demo holds now; keep a copy of the old ones beside it"
        )
        return found

    def write(self, folder: Path) -> None:
        """Writes ``made.json``."""
        (folder / MADE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @property
    def streams(self) -> list[str]:
        """The streams that the source's state names."""
        return [f"{exchange}-0" for exchange in self.exchanges]

    def settings_to_go_on(self) -> list[str]:
        """Overrides with which the present code makes of the whole input what it makes after the savepoint."""
        return [
            *self.settings,
            *(AS_BEFORE_4 if self.state_version < 4 else ()),
            *(AS_BEFORE_5 if self.state_version < 5 else ()),
        ]

    def may_differ(self) -> frozenset[str]:
        """Columns that rows from both sides of the savepoint may not have as those of the whole input."""
        return NOT_AS_BEFORE_4 if self.state_version < 4 else frozenset()

    def halves(self) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
        """By exchange the message lines before the savepoint and those after it, in the order of publishing."""
        return halves(self.exchanges)

    def watermark_ms(self) -> int:
        """The watermark at the savepoint: event time of the stream that was least far, less the delay."""
        first, _ = self.halves()
        newest = [max(json.loads(line)["samples"]["t"][-1] for line in of) for of in first.values()]
        oldest: int = min(newest)
        return oldest - round(self.watermark_delay_s * 1000) - 1


def halves(
    exchanges: Mapping[str, Mapping[str, int]],
) -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
    """Splits the messages of some vehicles of data/demo; see :class:`Kept`."""
    by_vehicle: dict[str, list[bytes]] = {}
    for line in lines(line_files(DEMO)):
        by_vehicle.setdefault(json.loads(line)["vehicle_id"], []).append(line)

    def part(cuts: Mapping[str, int], which: Callable[[int], slice]) -> list[bytes]:
        return [line for vehicle, cut in cuts.items() for line in by_vehicle[vehicle][which(cut)]]

    return (
        {exchange: part(cuts, lambda cut: slice(cut)) for exchange, cuts in exchanges.items()},
        {exchange: part(cuts, lambda cut: slice(cut, None)) for exchange, cuts in exchanges.items()},
    )


def checksums(parts: Sequence[Mapping[str, Sequence[bytes]]]) -> list[str]:
    """SHA-256 of each half's lines."""
    return [
        hashlib.sha256(b"\n".join(line for of in part.values() for line in of)).hexdigest() for part in parts
    ]


def decoded(half: Mapping[str, Sequence[bytes]]) -> list[dict[str, Any]]:
    """The messages of a half, stream after stream."""
    return [json.loads(line) for of in half.values() for line in of]


def unpack(folder: Path, target: Path) -> Path:
    """The savepoint's own folder, unpacked; it may lie anywhere."""
    with tarfile.open(folder / ARCHIVE) as archive:
        # Python 3.11.2, Debian 12's, knows no filters yet.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        archive.extractall(target)
    (found,) = target.iterdir()
    return found


@dataclass(frozen=True, slots=True)
class States:
    """Vehicle states of an older layout as bytes, and what the drivers were told until then.

    Attributes:
        state_version: their layout version.
        rows: the state row of each vehicle, and behind it its tail, if that layout has one.
        timers: the timer of each vehicle that has one.
        store: what each vehicle has in its store.
        parts: the sums of parts sent so far by vehicle, driver and minute.
    """

    state_version: int
    rows: Mapping[str, bytes]
    timers: Mapping[str, int]
    store: Mapping[str, bytes]
    parts: Mapping[tuple[str, str, int], Sequence[int]]

    @classmethod
    def read(cls, folder: Path) -> States:
        """What the folder's ``states.json`` holds."""
        found = json.loads((folder / STATES).read_text(encoding="utf-8"))
        return cls(
            found["state_version"],
            {vehicle: bytes.fromhex(each["row"]) for vehicle, each in found["vehicles"].items()},
            {v: each["timer"] for v, each in found["vehicles"].items() if each["timer"] is not None},
            {v: bytes.fromhex(each["store"]) for v, each in found["vehicles"].items() if "store" in each},
            {(part["vehicle"], part["driver"], part["minute"]): part["sums"] for part in found["parts"]},
        )

    def write(self, folder: Path) -> None:
        """Writes ``states.json``, one vehicle or part per line."""
        vehicles = (
            f"    {json.dumps(vehicle)}: "
            + json.dumps(
                {
                    "timer": _timer(self.timers.get(vehicle, NO_TIMER)),
                    "row": row.hex(),
                    "store": self.store.get(vehicle, b"").hex(),
                }
            )
            for vehicle, row in self.rows.items()
        )
        parts = (
            "    " + json.dumps({"vehicle": vehicle, "driver": driver, "minute": minute, "sums": list(sums)})
            for (vehicle, driver, minute), sums in self.parts.items()
        )
        text = (
            f'{{\n  "state_version": {self.state_version},\n'
            '  "vehicles": {\n' + ",\n".join(vehicles) + "\n  },\n"
            '  "parts": [\n' + ",\n".join(parts) + "\n  ]\n}\n"
        )
        (folder / STATES).write_text(text, encoding="utf-8")


def _timer(timer: int) -> int | None:
    return None if timer == NO_TIMER else timer
