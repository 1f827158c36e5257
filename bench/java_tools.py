"""Compiles and starts the benchmark's Java programs: ``bench/java``, against Flink's jars and ours."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from kappafleet.errors import MissingPart, UserError
from kappafleet.flink_home import prepare
from kappafleet.places import connectors_jar, java_home, project_root

PACKAGE = "io.kappafleet.bench"
SOURCES = project_root() / "bench" / "java"
CLASSES = project_root() / "build" / "bench" / "java"

Told = dict[str, Any]
"""A line that a program prints: one JSON object."""


def class_path() -> str:
    """Our classes, then Flink's jars with ours among them; compiles what is not compiled yet.

    Raises:
        UserError: the sources do not compile.
        MissingPart: there is no JDK, or no jar of ours.
    """
    lib = prepare(conf_name="conf-embedded").path / "lib"
    _compile(lib)
    return os.pathsep.join((str(CLASSES), f"{lib}/*"))


def command(program: str, *arguments: str, heap: str | None = None) -> list[str]:
    """The command line of one of the programs, with the options that Flink needs on JDK 17."""
    path = class_path()
    conf = prepare(conf_name="conf-embedded").conf
    config = yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))
    return [
        str(java_home() / "bin" / "java"),
        *([f"-Xmx{heap}"] if heap else []),
        "-XX:+UseG1GC",
        *config["env"]["java"]["opts"]["all"].split(),
        f"-Dlog4j.configurationFile={(conf / 'log4j-cli.properties').as_uri()}",
        f"-Dlog.file={project_root() / 'build' / 'bench' / f'{program}-flink.log'}",
        "-classpath",
        path,
        f"{PACKAGE}.{program}",
        *arguments,
    ]


class Program:
    """One of the programs while it runs; ends with the block.

    Example::

        with Program("ReadStreams", {"host": "127.0.0.1", ...}) as reader:
            for line in reader.lines(): ...
    """

    def __init__(self, name: str, options: Mapping[str, object], heap: str = "1g") -> None:
        self._name = name
        words = [f"{key}={value}" for key, value in options.items()]
        self._command = command(name, *words, heap=heap)
        self._log = project_root() / "build" / "bench" / f"{name}.log"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Program:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def lines(self) -> Iterator[Told]:
        """What it prints, as it prints it.

        Raises:
            UserError: it ended with an error.
        """
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("use it in a with statement")
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)
        if process.wait() != 0:
            told = self._log.read_text(errors="replace").strip().splitlines()
            raise UserError(f"{self._name} failed: {(told or ['it said nothing'])[0]}; see {self._log}")

    def last(self) -> Told:
        """Waits for its end; its last line.

        Raises:
            UserError: it ended with an error, or printed nothing.
        """
        told = list(self.lines())
        if not told:
            raise UserError(f"{self._name} printed nothing; see {self._log}")
        return told[-1]


def _compile(lib: Path) -> None:
    sources = sorted(SOURCES.rglob("*.java"))
    # What the jar holds is part of the classes: they call into it.
    jar = connectors_jar()
    digest = hashlib.sha256(f"{jar.stat().st_size} {jar.stat().st_mtime_ns}".encode())
    for each in sources:
        digest.update(each.read_bytes())
    stamp = CLASSES / ".made-from"
    CLASSES.parent.mkdir(parents=True, exist_ok=True)
    with (CLASSES.parent / ".java.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest.hexdigest():
            return
        shutil.rmtree(CLASSES, ignore_errors=True)
        CLASSES.mkdir(parents=True)
        javac = java_home() / "bin" / "javac"
        if not javac.exists():
            raise MissingPart(f"there is no {javac}: the benchmark needs a JDK, not only a runtime")
        options = ["--release", "17", "-nowarn", "-d", str(CLASSES), "-cp", f"{lib}/*"]
        done = subprocess.run(
            [str(javac), *options, *map(str, sources)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise UserError(f"bench/java does not compile:\n{done.stderr}")
        stamp.write_text(digest.hexdigest(), encoding="utf-8")
