"""Functions for the tests of the columnar operator."""

import numpy as np

from connectors.columnar_runtime import NO_TIMER, UNKNOWN, Result

COUNT_ROW = np.dtype(
    [("n", "<i8"), ("total", "<f8"), ("end_ms", "<i8"), ("write_us", "<i8"), ("driver", "S64")], align=True
)
ECHO_ROW = np.dtype(
    [
        ("t", "<i8"),
        ("speed", "<f8"),
        ("odometer", "<f8"),
        ("ignition", "i1"),
        ("driver", "S64"),
        ("fleet", "S64"),
        ("seq", "<i8"),
        ("lat", "<f8"),
        ("arrival_ms", "<i8"),
        ("offset", "<i8"),
        ("is_new", "i1"),
        ("watermark", "<i8"),
    ]
)


def text(texts, message):
    """The text of a message, empty when it has none."""
    codes, values = texts
    return b"" if codes[message] == UNKNOWN else values[codes[message]]


class Counting:
    """Sums speeds by key in windows of ten seconds; a timer at a window's end closes it."""

    state_dtype = np.dtype([("window", "<i8"), ("n", "<i8"), ("total", "<f8")])
    state_version = 1
    counters = ("samples", "windows")
    outputs = {"counts": COUNT_ROW}

    def open(self, settings_json, subtask):
        pass

    def upgrade(self, version, row):
        raise NotImplementedError

    def batch(self, batch):
        states = batch.states
        keys, rows = [], []
        at = 0
        for message, key in enumerate(batch.key_index):
            for i in range(at, at + batch.lengths[message]):
                window = batch.samples["t"][i] // 10_000
                if states["n"][key] and window != states["window"][key]:
                    keys.append(key)
                    rows.append(self.row(states[key], text(batch.texts["driver_id"], message)))
                    self.clear(states, key)
                states["window"][key] = window
                states["n"][key] += 1
                speed = batch.samples["speed"][i]
                if not np.isnan(speed):
                    states["total"][key] += speed
            at += batch.lengths[message]
        return Result(
            timers=np.where(states["n"] > 0, (states["window"] + 1) * 10_000 - 1, NO_TIMER),
            outputs=self.out(keys, rows),
            counters=np.array([len(batch.samples["t"]), len(rows)]),
        )

    def timers(self, fired):
        rows = [self.row(state, b"timer") for state in fired.states]
        count = len(rows)
        return Result(
            timers=np.full(count, NO_TIMER),
            outputs=self.out(list(range(count)), rows),
            deletions=np.ones(count, bool),
        )

    def clear(self, states, key):
        states["n"][key] = 0
        states["total"][key] = 0

    def row(self, state, driver):
        row = np.zeros((), COUNT_ROW)
        row["n"], row["total"], row["driver"] = state["n"], state["total"], driver
        row["end_ms"] = (state["window"] + 1) * 10_000
        row["write_us"] = row["end_ms"] * 1000 + row["n"]
        return row

    def out(self, keys, rows):
        return {"counts": (np.array(keys, np.int32), np.array(rows, COUNT_ROW))}


class CountingWithMaximum(Counting):
    """The next version: its state has one field more, and another order."""

    state_dtype = np.dtype([("n", "<i4"), ("window", "<i8"), ("total", "<f8"), ("upgraded", "<i8")])
    state_version = 2

    def upgrade(self, version, row):
        assert version == 1
        old = np.frombuffer(row, Counting.state_dtype)[0]
        new = np.zeros((), self.state_dtype)
        for name in Counting.state_dtype.names:
            new[name] = old[name]
        new["upgraded"] = 1
        return new

    def row(self, state, driver):
        row = super().row(state, driver)
        row["driver"] = b"upgraded" if state["upgraded"] else driver
        return row


class SameVersionOtherLayout(Counting):
    """A mistake: the layout changed and the version did not."""

    state_dtype = np.dtype([("window", "<i8"), ("n", "<i8"), ("total", "<f8"), ("more", "<i8")])


class Echo(Counting):
    """A row for each message, with the first sample and everything else that came with it."""

    counters = ()
    outputs = {"echo": ECHO_ROW}

    def batch(self, batch):
        first = np.cumsum(batch.lengths) - batch.lengths
        rows = np.zeros(len(first), ECHO_ROW)
        for name in ("t", "speed", "odometer", "ignition"):
            rows[name] = batch.samples[name][first]
        for m in range(len(first)):
            rows["driver"][m] = text(batch.texts["driver_id"], m)
            rows["fleet"][m] = text(batch.texts["fleet_id"], m)
        rows["seq"] = batch.integers["seq"]
        rows["lat"] = batch.numbers["lat"]
        rows["arrival_ms"], rows["offset"] = batch.arrival_ms, batch.offset
        rows["is_new"] = batch.is_new[batch.key_index]
        rows["watermark"] = batch.watermark
        return Result(np.full(len(batch.states), NO_TIMER), {"echo": (batch.key_index, rows)})


class Chain(Counting):
    """Timers that set the next timer, one second on, five times."""

    def batch(self, batch):
        return Result(timers=np.full(len(batch.states), batch.samples["t"][0] + 1000))

    def timers(self, fired):
        fired.states["n"] += 1
        fired.states["window"] = fired.timestamps // 10_000
        more = fired.states["n"] < 5
        return Result(
            timers=np.where(more, fired.timestamps + 1000, NO_TIMER),
            outputs=self.out(range(len(more)), [self.row(s, b"chain") for s in fired.states]),
        )


class Stuck(Chain):
    """A mistake: asks for the same timer again."""

    def timers(self, fired):
        return Result(timers=fired.timestamps.copy())


class Failing(Counting):
    """Fails on its first batch."""

    def batch(self, batch):
        raise ValueError(f"no idea what to do with {len(batch.states)} keys")


class Unopenable(Counting):
    """Fails when it is opened."""

    def open(self, settings_json, subtask):
        raise RuntimeError("settings are wrong: " + settings_json)


class WrongShape(Counting):
    """A mistake: one timer too many."""

    def batch(self, batch):
        return Result(timers=np.zeros(len(batch.states) + 1, np.int64))
