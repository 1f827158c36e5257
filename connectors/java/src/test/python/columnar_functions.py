"""Functions for the tests of the columnar operator."""

import contextlib

import numpy as np

from connectors.columnar_runtime import NO_TIMER, UNKNOWN, Result
from connectors.reference import ReferenceTable
from schemas.references import Field, Reference

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


class Recent(Counting):
    """Keeps time and speed of the samples of the last ten seconds; a row after each message that has ended some."""

    state_dtype = np.dtype([("n", "<i8"), ("odd", "i1")])
    tail_growth = (0, 0, 2)
    counters = ()

    def batch(self, batch):
        tails = batch.tails
        assert tails.words.ctypes.data % 8 == 0
        assert np.all(tails.length[batch.is_new] == 0)
        ends = np.cumsum(batch.lengths)
        keys, rows = [], []
        for message, k in enumerate(batch.key_index):
            words = tails.words[tails.start[k] :][: tails.capacity[k]]
            length = tails.length[k]
            for i in range(ends[message] - batch.lengths[message], ends[message]):
                words[length : length + 2] = batch.samples["t"][i], batch.samples["speed"][i]
                length += 2
                late = np.searchsorted(words[:length:2], words[length - 2] - 10_000) * 2
                words[: length - late] = words[late:length].copy()
                length -= late
            tails.length[k] = length
            batch.states["n"][k] += 1
            batch.states["odd"][k] = 7
            keys.append(k)
            rows.append(self.kept(words[:length], b"batch"))
        return Result(np.full(len(batch.states), 10**15), self.out(keys, rows))

    def timers(self, fired):
        tails = fired.tails
        assert np.all(tails.capacity == tails.length)
        assert np.all(fired.states["odd"] == 7)
        rows = [
            self.kept(tails.words[start : start + length], b"timer")
            for start, length in zip(tails.start, tails.length, strict=True)
        ]
        count = len(rows)
        return Result(np.full(count, NO_TIMER), self.out(range(count), rows), np.ones(count, bool))

    def kept(self, words, driver):
        row = np.zeros((), COUNT_ROW)
        row["n"], row["total"], row["driver"] = len(words) // 2, words[1::2].sum(), driver
        row["end_ms"] = words[-2] if len(words) else 0
        return row


class RecentFromCounting(Recent):
    """The next version of Counting: what it counted becomes one sample."""

    state_version = 2

    def upgrade(self, version, row):
        old = np.frombuffer(row, Counting.state_dtype)[0]
        new = np.array([(1, 7)], self.state_dtype)
        return new.tobytes() + np.array([old["window"] * 10_000, old["total"]], "<i8").tobytes()


class RecentWithMore(Recent):
    """The next version of Recent: a longer row, and the tail without its first sample."""

    state_dtype = np.dtype([("n", "<i8"), ("odd", "i1"), ("more", "<i4")])
    state_version = 2

    def upgrade(self, version, row):
        size = Recent.state_dtype.itemsize
        assert (len(row) - size) % 16 == 0
        return row[:size] + bytes(4) + row[size + 16 :]


class RecentHalved(RecentWithMore):
    """A mistake: its upgrade returns half a word."""

    def upgrade(self, version, row):
        return super().upgrade(version, row)[:-4]


class Overgrown(Recent):
    """A mistake: uses a word for which there is no room."""

    def batch(self, batch):
        batch.tails.length[-1] = batch.tails.capacity[-1] + 1
        return Result(np.full(len(batch.states), NO_TIMER))


class NegativeTail(Recent):
    """A mistake: less than nothing."""

    def batch(self, batch):
        batch.tails.length[-1] = -1
        return Result(np.full(len(batch.states), NO_TIMER))


class Ample(Recent):
    """Fills a room of many words with the key's number, and later finds it there."""

    tail_growth = (100_000, 10, 1)

    def batch(self, batch):
        tails = batch.tails
        for k, start in enumerate(tails.start):
            kept = tails.words[start : start + tails.length[k]]
            assert batch.is_new[k] or np.all(kept == batch.states["n"][k])
            messages = np.count_nonzero(batch.key_index == k)
            samples = batch.lengths[batch.key_index == k].sum()
            assert tails.capacity[k] == len(kept) + 100_000 + 10 * messages + samples
            number = batch.states["n"][k] = batch.offset[0] * 1000 + k + 1
            tails.length[k] = 50_000 if len(kept) else 100_000
            tails.words[start : start + tails.length[k]] = number
        assert np.all(tails.start[1:] == np.cumsum(tails.capacity)[:-1])
        return Result(np.full(len(batch.states), NO_TIMER))


class Storing(Counting):
    """Does with the store what a message's driver says, and tells what is in it then; a timer tells and deletes."""

    uses_store = True
    counters = ()

    def batch(self, batch):
        rows = []
        for message, k in enumerate(batch.key_index):
            command, _, value = text(batch.texts["driver_id"], message).partition(b" ")
            if command == b"put":
                batch.store.put(k, value)
            elif command == b"large":
                batch.store.put(k, memoryview(value * 100_000))
            elif command == b"forget":
                with contextlib.suppress(RuntimeError):
                    batch.store.get(len(batch.states))
            rows.append(self.told(batch.store.get(k)))
        return Result(np.full(len(batch.states), batch.samples["t"][0]), self.out(batch.key_index, rows))

    def timers(self, fired):
        rows = [self.told(fired.store.get(k)) for k in range(len(fired.states))]
        count = len(rows)
        return Result(np.full(count, NO_TIMER), self.out(range(count), rows), np.ones(count, bool))

    def told(self, value):
        assert type(value) is bytes
        row = np.zeros((), COUNT_ROW)
        row["n"], row["driver"] = len(value), value[:9]
        return row


class StoringUndeclared(Storing):
    """A mistake: uses the store without saying so."""

    uses_store = False


class Refusing(Counting):
    """Refuses the messages of the driver bad; its timers would like to, too."""

    def batch(self, batch):
        drivers = [text(batch.texts["driver_id"], m) for m in range(len(batch.lengths))]
        return Result(
            np.full(len(batch.states), NO_TIMER if b"late" not in drivers else batch.samples["t"][0]),
            rejects=[(m, f"unwanted: message {m}") for m, driver in enumerate(drivers) if driver == b"bad"],
        )

    def timers(self, fired):
        return Result(np.full(len(fired.states), NO_TIMER), rejects=[(0, "unwanted: timer")])


class Priced(Counting):
    """Tells the price of what a message's driver names; where there is none, all prices that it knows."""

    state_dtype = np.dtype([("n", "<i8")])
    counters = ()

    def open(self, settings_json, subtask):
        thing, price = Field("thing", "string", True), Field("price", "string", False)
        self.references = {"prices": ReferenceTable(Reference("prices", "price/1", (thing,), (price,)))}

    def batch(self, batch):
        batch.states["n"] += 1
        rows = []
        for message, k in enumerate(batch.key_index):
            row = np.zeros((), COUNT_ROW)
            row["n"] = batch.states["n"][k]
            row["driver"] = self.price(
                text(batch.texts["driver_id"], message).decode(), batch.samples["t"][0]
            )
            rows.append(row)
        return Result(np.full(len(batch.states), NO_TIMER), self.out(batch.key_index, rows))

    def price(self, thing, ms):
        table = self.references["prices"]
        found = table.at((thing,), ms)
        if found is not None:
            return found[0]
        known = sorted((key[0], table.at(key, ms)) for key in table) if len(table) < 5 else []
        return ",".join(f"{key}={price[0]}" for key, price in known if price)
