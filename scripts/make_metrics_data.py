"""Makes data/metrics/*.jsonl.gz: small made-up inputs for the three example definitions of the job metrics.

Nobody's heart, server or game was measured: the values are drawn from a generator with a fixed seed.

    .venv/bin/python scripts/make_metrics_data.py data/metrics
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

START_MS = 1_763_701_200_000  # 2025-11-21T05:00:00Z
MINUTE_MS = 60_000

Message = dict[str, Any]


def heart_rate(rng: random.Random) -> Iterator[Message]:
    """Two wearers for 30 minutes, a value a second, half a minute a message; w-2 runs from the tenth to the twentieth.

    Every tenth message is sent twice, and a minute of w-1 comes at the very end, after the device was out of reach.
    """
    delayed = []
    beat = {"w-1": 62.0, "w-2": 70.0}
    for seq in range(60):
        for wearer, resting in (("w-1", 62), ("w-2", 70)):
            aim = 172 if wearer == "w-2" and 20 <= seq < 40 else resting
            times, values = [], []
            for second in range(30):
                beat[wearer] += (aim - beat[wearer]) / 25 + rng.gauss(0, 1.2)
                times.append(START_MS + (30 * seq + second) * 1000)
                values.append(None if rng.random() < 0.01 else round(beat[wearer]))
            message = {"wearer_id": wearer, "seq": seq, "samples": {"t": times, "bpm": values}}
            if wearer == "w-1" and seq in (12, 13):
                delayed.append(message)
                continue
            yield message
            if seq % 10 == 9:
                yield message
    yield from delayed
    yield {"wearer_id": "w-3", "seq": 0, "samples": {"t": [START_MS], "bpm": [512]}}


def log_rates(rng: random.Random) -> Iterator[Message]:
    """Two hosts for 20 minutes, each time the lines of five seconds; web-2 is slow and fails for two minutes."""
    for seq in range(240):
        for host, lines_per_s in (("web-1", 3), ("web-2", 2)):
            ill = host == "web-2" and 120 <= seq < 144
            times = sorted(rng.sample(range(5000), rng.randint(lines_per_s * 4, lines_per_s * 6)))
            slow = 6 if ill else 1
            yield {
                "host": host,
                "seq": seq,
                "samples": {
                    "t": [START_MS + 5000 * seq + time for time in times],
                    "latency_ms": [
                        None if rng.random() < 0.2 else round(slow * rng.lognormvariate(3.2, 0.7), 3)
                        for _ in times
                    ],
                    "error": [rng.random() < (0.2 if ill else 0.004) for _ in times],
                },
            }


def game_events(rng: random.Random) -> Iterator[Message]:
    """Three players for two hours, a message a round; nobody is as good as bob."""
    for player, rounds, wins in (("ada", 40, 0.5), ("bob", 60, 0.99), ("eve", 25, 0.3)):
        for time in sorted(rng.sample(range(120 * MINUTE_MS), rounds)):
            won = rng.random() < wins
            score = round(rng.gauss(400 if won else 150, 60))
            yield {"player": player, "samples": {"t": [START_MS + time], "score": [score], "won": [won]}}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for make in (heart_rate, log_rates, game_events):
        lines = [json.dumps(each, separators=(",", ":")) for each in make(random.Random(20251121))]
        text = "\n".join(lines) + "\n"
        # No time and no name inside: the same data is the same file.
        (folder / f"{make.__name__}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{make.__name__}: {len(lines)} messages")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
