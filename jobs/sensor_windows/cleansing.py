"""Quality control of readings as they come: device failure codes, ranges, and the streaming tests of QARTOD.

Each quantity of each sensor is a series of its own: its rows are judged in the order of their times, with a record of
fixed size as all that is remembered (``state_dtype``). Flags: GOOD 1, NOT_EVALUATED 2, SUSPECT 3, FAIL 4, MISSING 9;
of several tests the worst counts (``worst``: 9, 2, 1, 3, 4, a later one wins). Values are never changed.

Source: QARTOD manuals, as ioos_qc implements them. Equal to ioos_qc, test by test, on regular series; the intended
differences, each with a test of its name in tests/sensor_windows/test_qartod_differences.py:

* **device codes are no readings**: a failure code fails, and is a missing neighbour to the tests of others.
* **infinities are missing**, to every test; to the gross range of ioos_qc they are beyond it. JSON has none.
* **gap**: after a silence of more than ``max_gap_s`` nothing is compared with what was before.
* **rate in milliseconds**: ioos_qc cuts the time between rows to whole seconds.
* **flat line by time**: a run lasts as long as its times say; ioos_qc counts rows of the median interval. A period that
  is no multiple of the interval is over with the first row at or after its end, and a run has at least 3 values.
* **flat line of many steps**: of a run's values that only rise (or only fall) at most STEPS are kept apart; more, and
  it may count as not flat, never the other way round.
* **attenuated signal by period**: with a period, and a least number of readings; with more readings in the period than
  there is room for it is not evaluated. Missing values in the period are left out; ioos_qc does so for ``std``, but
  does not evaluate a ``range`` then.
* **order**: a row at the time of the newest one is a copy and dropped; one before it is judged by code and range only.

Compiled by Numba and the same without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from conf.quality import Quality
from jobs.sensor_windows.compiled import njit
from jobs.sensor_windows.quantities import QUANTITIES

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9

# Tests: the place of a test's flag in ``flags`` (4 bits each, 0: not made), and its bit in ``failed``.
TESTS = ("device", "range", "spike", "rate", "flat_line", "attenuated", "order")
DEVICE, RANGE, SPIKE, RATE, FLAT, ATTENUATED, ORDER = range(len(TESTS))

NONE = -(2**63)
STEPS = 16

JUDGED = np.dtype(
    [
        ("t", "<i8"),  # epoch ms
        ("x", "<f8"),  # the raw value; NaN: missing
        ("flags", "<u4"),  # flag of each test, 4 bits each; see flag_of
        ("key", "<i4"),  # index of the key in the batch
        ("failed", "<u2"),  # bit 1 << TEST of every test that said SUSPECT or FAIL
        ("quantity", "i1"),  # index into QUANTITIES
        ("flag", "i1"),  # the worst of all tests
    ],
    align=True,
)
"""A row of one quantity and its verdict, which is final."""

# Parameters of one model and quantity; NaN: that test is not made.
(
    FAIL_LOW,
    FAIL_HIGH,
    SUSPECT_LOW,
    SUSPECT_HIGH,
    SPIKE_SUSPECT,
    SPIKE_FAIL,
    SPIKE_DIFFERENTIAL,
    RATE_SUSPECT,
    RATE_FAIL,
    FLAT_TOLERANCE,
    FLAT_SUSPECT_MS,
    FLAT_FAIL_MS,
    ATTENUATED_MS,
    ATTENUATED_SUSPECT,
    ATTENUATED_FAIL,
    ATTENUATED_RANGE,
    ATTENUATED_MIN_OBS,
    MAX_GAP_MS,
    CODES,
) = range(19)
MAX_CODES = 4
PARAMETERS = CODES + MAX_CODES


class Rules(NamedTuple):
    """The rules as the kernel takes them.

    Attributes:
        limits: [models, quantities, PARAMETERS]; model 0 is every model without limits of its own.
        models: code of each model by name.
        dtype: of the state of one quantity.
    """

    limits: NDArray[np.float64]
    models: dict[str, int]
    dtype: np.dtype[Any]

    def code_of(self, model: str | None) -> int:
        """The code of a sensor model; 0 for one that is not known."""
        return self.models.get(model, 0) if model is not None else 0

    def states(self, keys: int) -> NDArray[np.void]:
        """[keys, quantities] states of sensors that were never seen: all zeros."""
        return np.zeros((keys, len(QUANTITIES)), self.dtype)


def compiled_rules(quality: Quality) -> Rules:
    """The parameters in the form that the kernel takes.

    Raises:
        ValueError: a model has more than MAX_CODES failure codes of a quantity.
    """
    names = (None, *quality.model_names())
    limits = np.full((len(names), len(QUANTITIES), PARAMETERS), np.nan)
    room = 1
    for code, name in enumerate(names):
        model = quality.models.get(name) if name is not None else None
        for place, quantity in enumerate(QUANTITIES):
            row = limits[code, place]
            tests = quality.limits_of(name, quantity)
            row[MAX_GAP_MS] = quality.max_gap_s * 1000
            if tests.fail is not None:
                row[FAIL_LOW], row[FAIL_HIGH] = tests.fail
            if tests.suspect is not None:
                row[SUSPECT_LOW], row[SUSPECT_HIGH] = tests.suspect
            if tests.spike is not None:
                row[SPIKE_SUSPECT : SPIKE_FAIL + 1] = _numbers(tests.spike.suspect, tests.spike.fail)
                row[SPIKE_DIFFERENTIAL] = tests.spike.method == "differential"
            if tests.rate_per_s is not None:
                row[RATE_SUSPECT : RATE_FAIL + 1] = _numbers(tests.rate_per_s.suspect, tests.rate_per_s.fail)
            if tests.flat_line is not None:
                suspect_s, fail_s = _numbers(tests.flat_line.suspect_s, tests.flat_line.fail_s)
                row[FLAT_TOLERANCE : FLAT_FAIL_MS + 1] = (
                    tests.flat_line.tolerance,
                    suspect_s * 1000,
                    fail_s * 1000,
                )
            if (attenuated := tests.attenuated) is not None:
                room = max(room, attenuated.max_obs)
                row[ATTENUATED_MS : ATTENUATED_MIN_OBS + 1] = (
                    attenuated.period_s * 1000,
                    attenuated.suspect,
                    attenuated.fail,
                    attenuated.check == "range",
                    attenuated.min_obs,
                )
            codes = model.failure_codes.get(quantity, ()) if model is not None else ()
            if len(codes) > MAX_CODES:
                raise ValueError(f"{name}: at most {MAX_CODES} failure codes of {quantity}")
            row[CODES : CODES + len(codes)] = codes
    models = {name: code for code, name in enumerate(names) if name is not None}
    return Rules(limits, models, state_dtype(room))


def _numbers(*values: float | None) -> list[float]:
    return [math.nan if value is None else value for value in values]


def state_dtype(room: int = 1) -> np.dtype[Any]:
    """What is remembered of one quantity of one sensor; all zeros: never seen.

    Args:
        room: readings that the attenuated-signal test may need at once; 1 where no quantity has that test.
    """
    return np.dtype(
        [
            ("known", "<i8"),
            # the series since its last gap
            ("first_t", "<i8"),
            ("last_t", "<i8"),
            ("last_x", "<f8"),
            ("before_x", "<f8"),
            # the newest row, while its spike test waits for the next one
            ("waiting", "<i8"),
            ("waiting_x", "<f8"),
            ("waiting_flags", "<i8"),
            # the newest values whose range is below the tolerance: when it was broken last, the times of the last two
            # values, and their lows and highs as monotonic queues
            ("broken_t", "<i8"),
            ("value_t", "<i8"),
            ("value_before_t", "<i8"),
            ("lows", "<i8"),
            ("low_t", "<i8", (STEPS,)),
            ("low_x", "<f8", (STEPS,)),
            ("highs", "<i8"),
            ("high_t", "<i8", (STEPS,)),
            ("high_x", "<f8", (STEPS,)),
            # the values of the attenuated-signal test's period, a ring; and the newest one that had no room
            ("ring_first", "<i8"),
            ("ring_n", "<i8"),
            ("ring_lost_t", "<i8"),
            ("ring_t", "<i8", (room,)),
            ("ring_x", "<f8", (room,)),
        ],
        align=True,
    )


def flag_of(flags: Any, test: int) -> Any:
    """The flag that one test gave; 0: it was not made. Of a number or an array."""
    return flags >> (4 * test) & 15


def failed_names(failed: int) -> tuple[str, ...]:
    """Names of the tests in the bit mask ``failed``."""
    return tuple(name for bit, name in enumerate(TESTS) if failed >> bit & 1)


@njit
def worst(flag: int, other: int) -> int:
    """The flag that counts of two: FAIL, SUSPECT, GOOD, NOT_EVALUATED, MISSING in this order; 0 is none."""
    if flag == 0 or other == 0:
        return flag + other
    if flag == other:
        return flag
    if flag == FAIL or other == FAIL:
        return FAIL
    if flag == SUSPECT or other == SUSPECT:
        return SUSPECT
    if flag == GOOD or other == GOOD:
        return GOOD
    return NOT_EVALUATED


@njit
def judge(
    limits: Any,
    states: Any,
    t: Any,
    values: Any,
    lengths: Any,
    key_index: Any,
    models: Any,
    judged: Any,
) -> int:
    """Judges a mini-batch: M messages with N samples of K keys.

    A message's array without any value is no series of missing readings: the device does not measure it.

    Args:
        limits: Rules.limits.
        states: [K, Q] of Rules.dtype, updated; zeros for a new key.
        t: [N] int64 epoch ms, not decreasing within a message.
        values: [Q, N] float64; NaN: missing.
        lengths: [M] samples of each message, in order.
        key_index: [M] the key of each message.
        models: [M] code of each message's sensor model (Rules.code_of).
        judged: JUDGED rows, at least 2 * Q * N of them; filled.

    Returns:
        How many rows of ``judged`` were filled. The verdict on a row whose spike test needs the next one comes with
        that one, or with ``flush``.
    """
    made = 0
    first = 0
    for message in range(len(lengths)):
        end = first + lengths[message]
        key = key_index[message]
        for quantity in range(values.shape[0]):
            p = limits[models[message], quantity]
            s = states[key, quantity]
            x = values[quantity]
            measured = False
            for i in range(first, end):
                if not math.isnan(x[i]):
                    measured = True
                    break
            if not measured:
                continue
            for i in range(first, end):
                made = judge_row(p, s, t[i], x[i], key, quantity, judged, made)
        first = end
    return made


@njit
def flush(states: Any, before_ms: int, judged: Any) -> int:
    """Gives the rows up to a time that wait for a next one: their spike test was not evaluated.

    Args:
        states: [K, Q], updated.
        before_ms: rows with a later time go on waiting.
        judged: JUDGED rows, at least K * Q of them; filled.

    Returns:
        How many rows of ``judged`` were filled.
    """
    made = 0
    for key in range(states.shape[0]):
        for quantity in range(states.shape[1]):
            s = states[key, quantity]
            if s["known"] and s["waiting"] and s["last_t"] <= before_ms:
                made = release(s, NOT_EVALUATED, key, quantity, judged, made)
    return made


@njit
def judge_one(p: Any, t: int, x: float, quantity: int, judged: Any) -> None:
    """Judges a value by itself: the first row of ``judged`` says how.

    For quantities whose tests need no other value.
    """
    _tell(t, x, _by_itself(p, x), 0, quantity, judged, 0)


@njit
def judge_row(p: Any, s: Any, t: int, x: float, key: int, quantity: int, judged: Any, made: int) -> Any:
    """Judges the next row of a series: its verdict, and that of the one before if it waited for this, are added.

    Returns:
        How many rows of ``judged`` are filled then.
    """
    flags = _by_itself(p, x)
    if s["known"] and t <= s["last_t"]:
        if t == s["last_t"]:
            return made
        flags |= NOT_EVALUATED << 4 * ORDER
        return _tell(t, x, flags, key, quantity, judged, made)
    usable = x
    if not math.isfinite(x) or flags >> 4 * DEVICE & 15 == FAIL:
        usable = math.nan
    if not s["known"]:
        _begin(s, t)
        s["known"] = 1
        s["waiting"] = 0
        s["ring_first"] = 0
        s["ring_n"] = 0
        s["ring_lost_t"] = NONE
    elif t - s["last_t"] > p[MAX_GAP_MS]:
        if s["waiting"]:
            made = release(s, NOT_EVALUATED, key, quantity, judged, made)
        _begin(s, t)
    if s["waiting"]:
        made = release(s, _spike(p, s["before_x"], s["last_x"], usable), key, quantity, judged, made)
    present = math.isfinite(x)
    if p[RATE_SUSPECT] == p[RATE_SUSPECT] or p[RATE_FAIL] == p[RATE_FAIL]:
        flags |= (_rate(p, s, t, usable) if present else MISSING) << 4 * RATE
    if p[FLAT_TOLERANCE] == p[FLAT_TOLERANCE]:
        flags |= (_flat(p, s, t, usable) if present else MISSING) << 4 * FLAT
    if p[ATTENUATED_MS] == p[ATTENUATED_MS]:
        flags |= (_attenuated(p, s, t, usable) if present else MISSING) << 4 * ATTENUATED
    s["before_x"] = s["last_x"]
    s["last_x"] = usable
    s["last_t"] = t
    if p[SPIKE_SUSPECT] == p[SPIKE_SUSPECT] or p[SPIKE_FAIL] == p[SPIKE_FAIL]:
        if present:
            s["waiting"] = 1
            s["waiting_x"] = x
            s["waiting_flags"] = flags
            return made
        flags |= MISSING << 4 * SPIKE
    return _tell(t, x, flags, key, quantity, judged, made)


@njit
def _begin(s: Any, t: int) -> None:
    """A series begins: nothing is known of what was before."""
    s["first_t"] = t
    s["last_x"] = math.nan
    s["before_x"] = math.nan
    s["broken_t"] = NONE
    s["value_t"] = NONE
    s["value_before_t"] = NONE
    s["lows"] = 0
    s["highs"] = 0


@njit
def release(s: Any, spike: int, key: int, quantity: int, judged: Any, made: int) -> Any:
    """Gives the verdict that waited for its spike test; returns how many rows of ``judged`` are filled then."""
    s["waiting"] = 0
    flags = s["waiting_flags"] | spike << 4 * SPIKE
    return _tell(s["last_t"], s["waiting_x"], flags, key, quantity, judged, made)


@njit
def _tell(t: int, x: float, flags: int, key: int, quantity: int, judged: Any, made: int) -> Any:
    flag, failed = 0, 0
    for test in range(ORDER + 1):
        each = flags >> 4 * test & 15
        if each in (SUSPECT, FAIL):
            failed |= 1 << test
        flag = worst(flag, each)
    row = judged[made]
    row["t"] = t
    row["x"] = x
    row["flags"] = flags
    row["failed"] = failed
    row["flag"] = flag if flag != 0 else NOT_EVALUATED
    row["key"] = key
    row["quantity"] = quantity
    return made + 1


@njit
def _by_itself(p: Any, x: float) -> Any:
    """The flags of the tests that need nothing but the value; without any test its presence still is one."""
    if not math.isfinite(x):
        return MISSING << 4 * RANGE
    flags = 0
    for code in range(CODES, CODES + MAX_CODES):
        if p[code] == p[code]:
            flags = (FAIL if x == p[code] else worst(GOOD, flags)) << 4 * DEVICE
            if x == p[code]:
                break
    if p[FAIL_LOW] == p[FAIL_LOW] and (x < p[FAIL_LOW] or x > p[FAIL_HIGH]):
        return flags | FAIL << 4 * RANGE
    if p[SUSPECT_LOW] == p[SUSPECT_LOW] and (x < p[SUSPECT_LOW] or x > p[SUSPECT_HIGH]):
        return flags | SUSPECT << 4 * RANGE
    if p[FAIL_LOW] == p[FAIL_LOW] or p[SUSPECT_LOW] == p[SUSPECT_LOW]:
        return flags | GOOD << 4 * RANGE
    return flags


@njit
def _over(value: float, suspect: float, fail: float) -> int:
    """The flag of a value that should not exceed thresholds; NaN: there is no such threshold."""
    if value > fail:
        return FAIL
    if value > suspect:
        return SUSPECT
    return GOOD


@njit
def _spike(p: Any, before: float, x: float, after: float) -> Any:
    if math.isnan(before) or math.isnan(x) or math.isnan(after):
        return NOT_EVALUATED
    if p[SPIKE_DIFFERENTIAL] == 1:
        rise, fall = x - before, after - x
        size = min(abs(rise), abs(fall)) if rise * fall < 0 else 0.0
    else:
        size = abs(x - (before + after) / 2)
    return _over(size, p[SPIKE_SUSPECT], p[SPIKE_FAIL])


@njit
def _rate(p: Any, s: Any, t: int, x: float) -> Any:
    if math.isnan(x):
        return NOT_EVALUATED
    if math.isnan(s["last_x"]):
        return GOOD
    return _over(abs((x - s["last_x"]) / ((t - s["last_t"]) / 1000)), p[RATE_SUSPECT], p[RATE_FAIL])


@njit
def _flat(p: Any, s: Any, t: int, x: float) -> Any:
    if math.isnan(x):
        return NOT_EVALUATED
    s["lows"] = _push(s["low_t"], s["low_x"], s["lows"], t, x, 1.0)
    s["highs"] = _push(s["high_t"], s["high_x"], s["highs"], t, x, -1.0)
    while s["high_x"][0] - s["low_x"][0] >= p[FLAT_TOLERANCE]:
        s["broken_t"] = min(s["low_t"][0], s["high_t"][0])
        s["lows"] = _drop(s["low_t"], s["low_x"], s["lows"], s["broken_t"])
        s["highs"] = _drop(s["high_t"], s["high_x"], s["highs"], s["broken_t"])
    enough = s["value_before_t"] != NONE and s["value_before_t"] > s["broken_t"]
    s["value_before_t"] = s["value_t"]
    s["value_t"] = t
    if not enough:
        return GOOD
    flag = GOOD
    begin = s["first_t"]
    if begin <= t - p[FLAT_SUSPECT_MS] and s["broken_t"] < t - p[FLAT_SUSPECT_MS]:
        flag = SUSPECT
    if begin <= t - p[FLAT_FAIL_MS] and s["broken_t"] < t - p[FLAT_FAIL_MS]:
        flag = FAIL
    return flag


@njit
def _push(times: Any, values: Any, n: int, t: int, x: float, sign: float) -> Any:
    """Adds a value to a queue of lows (sign 1) or highs (-1), which holds what may still become the lowest."""
    while n > 0 and sign * values[n - 1] >= sign * x:
        n -= 1
    if n == STEPS:  # the two nearest become one that lasts longer: a run seems less flat than it is
        nearest = 0
        for i in range(1, STEPS - 1):
            if abs(values[i + 1] - values[i]) < abs(values[nearest + 1] - values[nearest]):
                nearest = i
        times[nearest] = times[nearest + 1]
        for i in range(nearest + 1, STEPS - 1):
            times[i] = times[i + 1]
            values[i] = values[i + 1]
        n -= 1
    times[n] = t
    values[n] = x
    return n + 1


@njit
def _drop(times: Any, values: Any, n: int, until: int) -> Any:
    """Takes the values up to a time off the front of a queue."""
    gone = 0
    while gone < n and times[gone] <= until:
        gone += 1
    if gone:
        for i in range(n - gone):
            times[i] = times[i + gone]
            values[i] = values[i + gone]
    return n - gone


@njit
def _attenuated(p: Any, s: Any, t: int, x: float) -> Any:
    if math.isnan(x):
        return NOT_EVALUATED
    times, values = s["ring_t"], s["ring_x"]
    room = len(times)
    first, n = s["ring_first"], s["ring_n"]
    while n > 0 and times[first] <= t - p[ATTENUATED_MS]:
        first = (first + 1) % room
        n -= 1
    if n == room:
        s["ring_lost_t"] = times[first]
        first = (first + 1) % room
        n -= 1
    times[(first + n) % room] = t
    values[(first + n) % room] = x
    n += 1
    s["ring_first"] = first
    s["ring_n"] = n
    if n < p[ATTENUATED_MIN_OBS] or (s["ring_lost_t"] != NONE and s["ring_lost_t"] > t - p[ATTENUATED_MS]):
        return NOT_EVALUATED
    if p[ATTENUATED_RANGE] == 1:
        low, high = x, x
        for i in range(n):
            low = min(low, values[(first + i) % room])
            high = max(high, values[(first + i) % room])
        size = high - low
    else:
        total = 0.0
        for i in range(n):
            total += values[(first + i) % room]
        mean = total / n
        squares = 0.0
        for i in range(n):
            squares += (values[(first + i) % room] - mean) ** 2
        size = math.sqrt(squares / n)
    if size < p[ATTENUATED_FAIL]:
        return FAIL
    return SUSPECT if size < p[ATTENUATED_SUSPECT] else GOOD


@njit
def _series(p: Any, s: Any, t: Any, x: Any, quantity: int, judged: Any) -> int:
    made = 0
    for i in range(len(t)):
        made = judge_row(p, s, t[i], x[i], 0, quantity, judged, made)
    if s["waiting"]:
        made = release(s, NOT_EVALUATED, 0, quantity, judged, made)
    return made


def judged_series(
    rules: Rules, quantity: str, t: Iterable[int], x: Iterable[float], model: str | None = None
) -> NDArray[np.void]:
    """Judges a whole series of one quantity, for oracles and tests.

    Args:
        rules: of all quantities.
        quantity: one of QUANTITIES.
        t: epoch ms.
        x: as many values; NaN: missing.
        model: the sensor's model.

    Returns:
        JUDGED rows, in the order of their times if ``t`` is.
    """
    times, values = np.fromiter(t, np.int64), np.fromiter(x, np.float64)
    place = [str(each) for each in QUANTITIES].index(quantity)
    judged = np.zeros(2 * len(times) + 1, JUDGED)
    p, s = rules.limits[rules.code_of(model), place], rules.states(1)[0, place]
    made = _series(p, s, times, values, place, judged)
    return judged[:made]
