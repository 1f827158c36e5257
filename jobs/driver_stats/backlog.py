"""What is rare in the order of a vehicle's samples: seams are filed, backlogs folded in, previews kept or taken back.

A correction never patches rows: the samples behind a seam are folded again, once after what was before the seam until
now and once after what is there since, and the difference goes out: rows with the next revision, shares of the
drivers' windows as negative and positive parts, rows that no longer exist as ``superseded_by``. Only sums of a trip
that runs on beyond the head are moved by the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.columnar_runtime import KeyStore
from jobs.driver_stats import emit, kernel, order
from jobs.driver_stats.corrections import Difference, Run, difference, event_identities, move_idling
from jobs.driver_stats.kernel import Columns, Messages, Parameters
from jobs.driver_stats.layout import FOLDS, LANE, LANE_WORDS, NONE, RAW_WORDS, WHO_WORDS, N
from jobs.driver_stats.row_buffer import RowBuffer
from jobs.driver_stats.seams import Lane, Seam, blank_lane, decode, encode, keep, stands_alone
from jobs.driver_stats.tails import (
    BOX_N,
    BOX_WORDS,
    FIRST,
    HEADER,
    LEFT,
    RAW_END,
    RAW_FIRST,
    SEALED,
    UNDO,
    WHO_N,
    Tails,
    box,
    compact,
    raws_at,
    shift,
)

NEVER_MS = 2**62


@dataclass(slots=True)
class Call:
    """What a call of the operator works on."""

    states: NDArray[Any]
    lanes: NDArray[Any]
    lane_words: NDArray[np.int64]
    tails: Tails
    store: KeyStore
    rows: RowBuffer
    counters: NDArray[np.int64]


@dataclass(slots=True)
class _Touched:
    """A seam that changes: its lane as it was, and how many rows of minutes and events there were when that began."""

    before: Lane
    minutes: int
    events: int


def scratch_rows(p: Parameters) -> Sequence[RowBuffer]:
    """The rows of two runs, and of what is still open after each."""
    return [RowBuffer(p, 64) for _ in range(4)]


@dataclass(slots=True)
class Backlog:
    """Works on the keys of one call.

    Attributes:
        p: parameters of the kernel.
        call: what the call works on.
        keep_ms: how much older than the newest sample a seam may be.
        scratch: room for two runs of a head, made once for all calls: see ``scratch_rows``.
    """

    p: Parameters
    call: Call
    keep_ms: int
    scratch: Sequence[RowBuffer]

    # ------------------------------------------------------------ filing

    def file(self, key: int, *, ended: bool = False) -> None:
        """Moves a sealed seam, or the end of its open trip, from the vehicle's tail to its store.

        Args:
            key: index of the vehicle.
            ended: the next gap comes: a seam that is not sealed yet goes as it is.
        """
        v = self.call.states[key]
        boxes = {kind: (note, lane) for kind, note, lane in self._boxes(key) if kind != UNDO}
        if not ended and not boxes.keys() & {SEALED, FIRST} and not v["seam_lost"]:
            return
        seams = decode(self.call.store.get(key))
        if v["seam_lost"]:
            # What follows the last ones is not known any more.
            v["seam_lost"] = 0
            while seams and not stands_alone(seams[-1]):
                seams.pop()
        start = boxes[SEALED][0] if SEALED in boxes else int(v["head_start"])
        if start != NONE:
            seam = self._tail_seam(key, start, boxes)
            seam.seal = boxes[SEALED][1] if SEALED in boxes else None
            seam.pending = False
            seams.append(seam)
            if seam.seal is None:
                v["head_start"] = NONE
                v["seam_trip"] = NONE
        if FIRST in boxes and seams:
            note, lane = boxes[FIRST]
            newest = seams[-1]
            if newest.seal is not None and newest.seal["trip_start"][0] == lane["trip_start"][0]:
                newest.first, newest.stood = lane, bool(note)
        self._drop_boxes(key, lambda kind: kind != UNDO)
        compact(v, self.call.tails, key)
        self._save(key, seams)

    def _save(self, key: int, seams: list[Seam]) -> None:
        newest_t = int(self.call.states[key]["newest_t"])
        kept = keep(seams, newest_t, self.keep_ms, self.p.max_head, self._trip_end)
        self.call.store.put(key, encode(kept))

    def _tail_seam(self, key: int, start: int, boxes: dict[int, tuple[int, Lane]]) -> Seam:
        """The newest seam as it is in the tail."""
        v = self.call.states[key]
        words = self.call.tails.words
        base = int(self.call.tails.start[key])
        entries_at = base + HEADER + int(words[base + BOX_N]) * BOX_WORDS
        entries = words[entries_at : entries_at + int(words[base + WHO_N]) * WHO_WORDS].copy()
        raws = int(raws_at(words, base))
        head = words[raws : raws + int(v["head_samples"]) * RAW_WORDS].copy()
        lane = boxes[LEFT][1] if LEFT in boxes else blank_lane()
        return Seam(
            start, int(v["head_gap_ms"]), lane, head.reshape(-1, RAW_WORDS), entries.reshape(-1, WHO_WORDS)
        )

    def _boxes(self, key: int) -> Iterator[tuple[int, int, Lane]]:
        words = self.call.tails.words
        base = int(self.call.tails.start[key])
        if self.call.tails.length[key] == 0:
            return
        for n in range(int(words[base + BOX_N])):
            at = base + HEADER + n * BOX_WORDS
            yield int(words[at]), int(words[at + 1]), words[at + 2 : at + BOX_WORDS].copy().view(LANE)

    def _drop_boxes(self, key: int, which: Callable[[int], bool]) -> None:
        words = self.call.tails.words
        base = int(self.call.tails.start[key])
        for n in range(int(words[base + BOX_N]) - 1, -1, -1):
            at = base + HEADER + n * BOX_WORDS
            if which(int(words[at])):
                shift(self.call.tails, key, at, -BOX_WORDS)
                words[base + BOX_N] -= 1

    # ------------------------------------------------------------ previews

    def commit(self, key: int, limit: int) -> None:
        """Samples before ``limit`` that the lane has as a preview hold for good: the lane to go back to moves on."""
        v = self.call.states[key]
        undo = self._take_undo(key)
        previewed = int(v["previewed"])
        words = self.call.tails.words
        base = int(self.call.tails.start[key])
        before = int(words[base + RAW_FIRST])
        last = int(words[int(raws_at(words, base)) + (before + previewed - 1) * RAW_WORDS])
        v["previewed"] = 0
        unseen = self.scratch[0]
        while True:
            unseen.clear()
            code = order.release(
                self.p, v, undo[0], undo.view(np.int64), key, self.call.tails, unseen.rows, min(limit, last + 1),
                self.call.counters,
            )  # fmt: skip
            if code == order.FILE:
                self.file(key, ended=True)
            elif code == order.DONE:
                break
        # Filing may have compacted the samples: count those that are left before `last`.
        raws = int(raws_at(words, base))
        left = sum(
            1
            for n in range(int(words[base + RAW_FIRST]), int(words[base + RAW_END]))
            if words[raws + n * RAW_WORDS] <= last
        )
        v["previewed"] = left
        s = self.call.lanes[key]
        if left == 0 and s["trip_start"] == undo["trip_start"][0]:
            # A seal divides the maximum, which a preview does not do.
            s["trip_before_kmh"], s["trip_max_kmh"] = undo["trip_before_kmh"][0], undo["trip_max_kmh"][0]
        if left > 0:
            box(self.call.tails, key, UNDO, v["ordered_t"], undo.view(np.int64))

    def take_back(self, key: int) -> None:
        """A displaced sample comes before previewed ones: withdraws what the preview published."""
        v, s = self.call.states[key], self.call.lanes[key]
        undo = self._take_undo(key)
        count = int(v["previewed"])
        words = self.call.tails.words
        base = int(self.call.tails.start[key])
        raws = int(raws_at(words, base)) + int(words[base + RAW_FIRST]) * RAW_WORDS
        head = words[raws : raws + count * RAW_WORDS].copy().reshape(-1, RAW_WORDS)
        entries_at = base + HEADER + int(words[base + BOX_N]) * BOX_WORDS
        entries = words[entries_at : entries_at + int(words[base + WHO_N]) * WHO_WORDS].copy()
        emit.emit_part(s, key, self.call.rows.rows)
        context = _settled(undo)
        old = self._run(context, head, entries.reshape(-1, WHO_WORDS), key, 0)
        withdrawn = int(s["withdrawn"]) + 2 * count + 4
        ordered_t = int(v["ordered_t"])
        self._withdraw(key, seams=[], withdrawn=withdrawn)
        again = context[0]
        again["withdrawn"] = withdrawn
        again["corrected_to"] = max(int(s["corrected_to"]), int(head[-1, 0]))
        _carry_emissions(again, s)
        _publish_again(again)
        nothing = Run(self.scratch[1].cleared(), self.scratch[3].cleared(), context)
        kernel.publish(self.p, context[0].copy(), key, NEVER_MS, nothing.still_open.rows)
        # Rows that the preview began are void until they come again.
        self._emit(
            difference(
                key,
                old,
                nothing,
                withdrawn,
                after=ordered_t,
                written=(),
                minutes_after=int(again["minute_start"]),
            )
        )
        self.call.lane_words[key, :LANE_WORDS] = context.view(np.int64)
        v["previewed"] = 0
        self._settle_live_again(key)
        self.call.counters[order.CORRECTIONS] += 1

    def _take_undo(self, key: int) -> Lane:
        (undo,) = (lane for kind, _, lane in self._boxes(key) if kind == UNDO)
        self._drop_boxes(key, lambda kind: kind == UNDO)
        return undo

    # ------------------------------------------------------------ backlogs

    def late(
        self, key: int, columns: Columns, messages: Messages, m: int, i: int, end: int
    ) -> tuple[int, int]:
        """Treats the samples i..end of message m that are older than what is in order.

        Returns:
            The index of the first sample that is not, and how many could not be placed.
        """
        v = self.call.states[key]
        if v["previewed"] > 0:
            self.take_back(key)
        self.file(key)
        seams = decode(self.call.store.get(key))
        if v["head_start"] != NONE:
            boxes = {kind: (note, lane) for kind, note, lane in self._boxes(key)}
            pending = self._tail_seam(key, int(v["head_start"]), boxes)
            pending.pending = True
            seams.append(pending)
        touched: dict[Seam, _Touched] = {}
        lost = 0
        while i < end and (t := int(columns.t[i])) <= v["ordered_t"]:
            seam = self._seam_of(seams, t)
            if seam is None:
                if any(t in (seam.start, int(seam.lane["last_t"][0])) for seam in seams):
                    self.call.counters[order.REPEATED] += 1
                else:
                    lost += 1
                i += 1
                continue
            if seam not in touched:
                touched[seam] = self._touched(seam)
                if self._in_reach(seam):
                    self._outdo(key, seams)
                _publish_again(seam.lane[0])
                seam.extended = True
            reached = order.fold_late(
                self.p, seam.lane[0], key, columns, messages, m, i, end, seam.start, self.call.rows.rows,
                self.call.counters,
            )  # fmt: skip
            if reached == i:
                self.call.rows.grow()
            i = reached
        if touched:
            self._correct(key, seams, touched)
            if seams[-1].pending:
                self._put_back(key, seams.pop())
            self._save(key, seams)
        return i, lost

    def _seam_of(self, seams: list[Seam], t: int) -> Seam | None:
        """The seam whose gap t lies in, if a backlog may still fill it."""
        for seam, following in zip(seams, [*seams[1:], None], strict=True):
            last = int(seam.lane["last_t"][0])
            if (last == NONE or last < t) and t < seam.start:
                # The end of an unsealed segment is all there is to continue: once continued, it can't be replaced.
                usable = seam.seal is not None or seam.pending or following is None or not following.extended
                return seam if usable else None
        return None

    def _touched(self, seam: Seam) -> _Touched:
        counts = self.call.rows.rows.counts
        return _Touched(seam.lane.copy(), int(counts[emit.MINUTES]), int(counts[emit.EVENTS]))

    def _in_reach(self, seam: Seam) -> bool:
        """Whether what is before the seam's gap can matter for what is behind it."""
        p = self.p
        reach = max(
            p.trip_gap_ms, p.max_gap_ms, p.idle_gap_ms, p.event_gap_ms, p.deduplicate_ms, emit.MINUTE_MS
        )
        last_t = int(seam.lane["last_t"][0])
        if last_t == NONE:
            return False
        # A sample without a credible speed is judged by the way from the one before it, however long ago that was.
        no_speed = not 0 <= seam.head.view(np.float64)[0, 1] <= p.harsh.max_kmh
        return no_speed or seam.start - last_t <= reach

    def _outdo(self, key: int, seams: list[Seam]) -> None:
        """Lets all further rows win over rows so far, even if they hold less: by more folds than any row has."""
        lanes = [self.call.lanes[key], *(lane[0] for seam in seams for lane in seam.lanes())]
        trips = sum(int(lane["trip"][FOLDS] + lane["tail"][FOLDS]) for lane in lanes)
        idling = sum(int(lane["idle_samples"]) for lane in lanes)
        heads = sum(len(seam.head) for seam in seams)
        self._withdraw(key, seams, int(lanes[0]["withdrawn"]) + trips + idling + 3 * heads + 4)

    def _withdraw(self, key: int, seams: list[Seam], withdrawn: int) -> None:
        """Lets all further rows of the vehicle win over those so far."""
        self.call.lanes[key]["withdrawn"] = withdrawn
        for seam in seams:
            for lane in seam.lanes():
                lane["withdrawn"] = withdrawn

    def _put_back(self, key: int, seam: Seam) -> None:
        """Writes the lane of the seam that is still in the tail."""
        self._drop_boxes(key, lambda kind: kind == LEFT)
        box(self.call.tails, key, LEFT, seam.start, seam.lane.view(np.int64))

    def _correct(self, key: int, seams: list[Seam], touched: dict[Seam, _Touched]) -> None:
        """Publishes the changed lanes as they stand, and corrects what follows their seams."""
        p = self.p
        if any(self._in_reach(seam) for seam in touched):
            self._outdo(key, seams)
        for index, seam in enumerate(seams):
            if seam not in touched:
                continue
            while order.nearly_full(p, self.call.rows.rows):
                self.call.rows.grow()
            kernel.publish(p, seam.lane[0], key, NEVER_MS, self.call.rows.rows)
            if self._in_reach(seam):
                self._join(key, seams, index, touched)

    def _join(self, key: int, seams: list[Seam], index: int, touched: dict[Seam, _Touched]) -> None:
        """Folds the head behind a seam again, and sends what is different."""
        seam = seams[index]
        rows = self.call.rows
        s = self.call.lanes[key]
        withdrawn = int(s["withdrawn"])
        events = rows.of(emit.EVENTS)[touched[seam].events :]
        passed = {
            int(row["minute_start"])
            for row in rows.of(emit.MINUTES)[touched[seam].minutes :]
            if row["key"] == key
        }
        if seam.seal is None and seam.pending:
            emit.emit_part(s, key, rows.rows)
        before, after = _settled(touched[seam].before), _settled(seam.lane)
        before["withdrawn"] = withdrawn
        old = self._run(before, seam.head, seam.entries, key, 0)
        new = self._run(after, seam.head, seam.entries, key, 1)
        result = new.lane
        seam.corrections += 1
        written = {*event_identities(events[events["key"] == key])}
        if seam.seal is not None:
            live = s if index + 1 == len(seams) else None
            written |= move_idling(self.p.idle_event_ms, key, seam.seal[0], result[0], live, rows)
        self._emit(
            difference(
                key, old, new, withdrawn, after=seam.start - 1, written=written,
                minutes_after=NONE,
                not_void=passed | {int(seam.lane["minute_start"][0])},
            )
        )  # fmt: skip
        self.call.counters[order.CORRECTIONS] += 1
        if seam.seal is not None:
            self._move_trip(key, seams, index, result, touched)
            seam.seal = result
            return
        if seam.pending:
            _carry_emissions(result[0], s)
            self._settle_live_again(key)
            self.call.lane_words[key, :LANE_WORDS] = result.view(np.int64)
            return
        following = seams[index + 1]
        touched.setdefault(following, self._touched(following))
        _carry_emissions(result[0], following.lane[0])
        following.lane = result

    def _move_trip(
        self, key: int, seams: list[Seam], index: int, result: Lane, touched: dict[Seam, _Touched]
    ) -> None:
        """The trip that was open at the seal gets the sums and the start that it has now."""
        seam = seams[index]
        assert seam.seal is not None
        was, now = seam.seal[0], result[0]
        if was["trip_start"] == NONE:
            return
        following = seams[index + 1] if index + 1 < len(seams) else None
        v, s = self.call.states[key], self.call.lanes[key]
        end = following.lane[0] if following is not None else s
        sums = now["trip"] - was["trip"]
        same = not sums.any() and now["trip_start"] == was["trip_start"]
        if same and now["trip_start"] >= seam.start:
            return  # else its row has just been written as it was before the seam
        rows = self.call.rows
        if end["trip_start"] == was["trip_start"]:
            if following is not None:
                touched.setdefault(following, self._touched(following))
            _change_trip(end, now, sums, seam.passed_kmh)
            if following is None:
                self._settle_live_again(key)
                if v["seam_trip"] == was["trip_start"]:
                    v["seam_trip"] = now["trip_start"]
        elif seam.first is not None:
            _change_trip(seam.first[0], now, sums, seam.passed_kmh)
            while order.nearly_full(self.p, rows.rows):
                rows.grow()
            emit.emit_trip(seam.first[0].copy(), key, not seam.stood, rows.rows)
            seam.first["trip_emissions"] += 1
        else:
            raise RuntimeError(f"the trip from {was['trip_start']} ended, and its sums were not kept")

    def _settle_live_again(self, key: int) -> None:
        """The live row shows a trip that may be another now."""
        v = self.call.states[key]
        v["live_settled"] = -abs(v["live_settled"])

    # ------------------------------------------------------------ runs

    def _run(
        self, context: Lane, head: NDArray[np.int64], entries: NDArray[np.int64], key: int, scratch: int
    ) -> Run:
        """The rows of a head folded after a lane, its last part included, and the lane after it."""
        rows = self.scratch[scratch].cleared()
        lane = context.copy()
        done = 0
        while True:
            done = order.run(
                self.p, lane[0], key, head, head.view(np.float64), entries, len(head), rows.rows, done
            )
            if done == len(head) and not order.nearly_full(self.p, rows.rows):
                break
            rows.grow()
        emit.emit_part(lane[0], key, rows.rows)
        still_open = self.scratch[scratch + 2].cleared()
        kernel.publish(self.p, lane[0].copy(), key, NEVER_MS, still_open.rows)
        return Run(rows, still_open, lane)

    def _trip_end(
        self, lane: Lane, head: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> tuple[Lane, bool] | None:
        """How the trip that is open in a lane ends in a head: the lane then, and whether by standing; None if not."""
        rows = self.scratch[0].cleared()
        after = lane.copy()
        for n in range(len(head)):
            before = after.copy()
            while (
                order.run(self.p, after[0], 0, head, head.view(np.float64), entries, n + 1, rows.rows, n) == n
            ):
                rows.clear()
            if after["trip_start"][0] != lane["trip_start"][0]:
                # By standing, the row ends before the standing: it lacks what the tail had.
                ended = rows.of(emit.TRIPS)
                row = ended[ended["start_ms"] == lane["trip_start"][0]][-1:]
                whole = before["trip"][0, N] + before["tail"][0, N]
                return before, len(row) > 0 and bool(row["n_samples"][0] < whole)
        return None

    def _emit(self, found: Difference) -> None:
        for kind, rows in ((emit.PARTS, found.parts), (emit.MINUTES, found.minutes),
                           (emit.TRIPS, found.trips), (emit.EVENTS, found.events)):  # fmt: skip
            for row in rows:
                self.call.rows.add(kind, row)


def _settled(lane: Lane) -> Lane:
    """A copy whose open part counts as sent."""
    copy = lane.copy()
    s = copy[0]
    s["minute"] += s["part"]
    s["part"] = 0
    if not s["minute_max_kmh"] >= s["part_max_kmh"] and s["part_max_kmh"] == s["part_max_kmh"]:
        s["minute_max_kmh"] = s["part_max_kmh"]
    s["part_max_kmh"] = np.nan
    return copy


def _publish_again(s: Any) -> None:
    """What is open goes out once more: its row may be another lane's by now."""
    if s["minute_start"] != NONE and s["known"] != 0:
        s["minute_dirty"] = 1
    for axis in range(len(s["event_start"])):
        if s["event_start"][axis] != NONE:
            s["event_dirty"][axis] = 1
    if s["speeding_start"] != NONE:
        s["speeding_dirty"] = 1
    s["idle_emitted"] = 0
    s["trip_emitted_folds"] = -1


def _carry_emissions(to: Any, of: Any) -> None:
    """A row that is written again gets the next revision, whichever lane writes it."""
    if to["minute_start"] == of["minute_start"]:
        to["minute_emissions"] = max(int(to["minute_emissions"]), int(of["minute_emissions"]))
    if to["trip_start"] == of["trip_start"]:
        to["trip_emissions"] = max(int(to["trip_emissions"]), int(of["trip_emissions"]))


def _change_trip(s: Any, now: Any, sums: NDArray[np.int64], passed_kmh: float) -> None:
    s["trip"] += sums
    s["trip_start"] = now["trip_start"]
    s["trip_start_lat"] = now["trip_start_lat"]
    s["trip_start_lon"] = now["trip_start_lon"]
    before = emit.trip_max_kmh(now)
    s["trip_before_kmh"] = (
        passed_kmh if passed_kmh > before or (before != before and passed_kmh >= 0) else before
    )
    s["trip_emitted_folds"] = -1
    s["trip_emissions"] = max(int(s["trip_emissions"]), 1)
