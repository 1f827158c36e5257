"""Where a secret may come to light: files, command lines, Flink's REST API."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError

_LOOK_S = 0.05
_GZIP = b"\x1f\x8b"

_JOBMANAGER_PAGES = (
    "config",
    "overview",
    "jars",
    "jobs/overview",
    "jobmanager/config",
    "jobmanager/environment",
    "jobmanager/log",
    "jobmanager/logs",
    "jobmanager/metrics",
    "jobmanager/stdout",
    "jobmanager/thread-dump",
    "taskmanagers",
)
_JOB_PAGES = (
    "",
    "/accumulators",
    "/checkpoints",
    "/checkpoints/config",
    "/config",
    "/exceptions",
    "/jobmanager/config",
    "/jobmanager/environment",
    "/jobmanager/log-url",
    "/metrics",
    "/plan",
)
_TASKMANAGER_PAGES = ("", "/log", "/logs", "/metrics", "/stdout", "/thread-dump")
_MAY_BE_MISSING = frozenset({"jobmanager/stdout", "/stdout", "/jobmanager/log-url"})
"""There is no such file here, or no history server; all others must answer, or nothing would be proven."""


@cache
def forms(secret: str) -> tuple[bytes, ...]:
    """What to search for: the secret plain, as Java and Windows write it in memory dumps, and inside base64."""
    raw = secret.encode()
    # Base64 depends on where in the text the secret begins; what its neighbours change is cut off.
    shifted = (base64.b64encode(bytes(shift) + raw) for shift in range(3))
    return (raw, secret.encode("utf-16-le"), secret.encode("utf-16-be"), *(text[4:-4] for text in shifted))


def hits(where: str, content: bytes, secrets: Iterable[str]) -> list[str]:
    """``where`` once for each secret that the content holds, plain or packed."""
    found = [where for secret in secrets if any(form in content for form in forms(secret))]
    if content.startswith(_GZIP):
        with suppress(OSError, EOFError):
            found += hits(f"{where} (unpacked)", gzip.decompress(content), secrets)
    return found


def in_files(folder: Path, secrets: Iterable[str]) -> list[str]:
    """The files of a folder, and the members of its archives, that hold a secret; links lead elsewhere."""
    secrets, found = tuple(secrets), []
    for file in folder.rglob("*"):
        if file.is_symlink() or not file.is_file():
            continue
        with suppress(FileNotFoundError):  # servers remove theirs at any time
            found += hits(str(file), file.read_bytes(), secrets)
            found += hits(f"the name of {file}", str(file.relative_to(folder)).encode(), secrets)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    for member in archive.namelist():
                        if member.endswith(".class"):  # nobody compiles at run time
                            continue
                        found += hits(f"{file}!{member}", archive.read(member), secrets)
    return found


class CommandLines:
    """Looks at the command lines of all processes, many times a second, and remembers what it saw.

    ``with CommandLines() as seen: …; seen.lines``
    """

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def forget(self, secret: str) -> None:
        """As if no command line had held it."""
        with self._lock:
            self.lines = {line for line in self.lines if secret.encode() not in line}

    def _look(self) -> None:
        while not self._end.wait(_LOOK_S):
            for process in Path("/proc").glob("[0-9]*"):
                with self._lock, suppress(OSError):  # it has ended, or is another user's
                    self.lines.add((process / "cmdline").read_bytes())


def rest_pages(port: int, job_id: str) -> Iterator[tuple[str, bytes]]:
    """All that Flink's REST API tells of cluster and job: paths and contents, all logs included."""
    for page in _JOBMANAGER_PAGES:
        yield from _page(port, page, page)
    for page in _JOB_PAGES:
        yield from _page(port, f"jobs/{job_id}{page}", page)
    for vertex in _json(port, f"jobs/{job_id}")["vertices"]:
        for page in ("", "/accumulators", "/subtasktimes", "/taskmanagers"):
            yield from _page(port, f"jobs/{job_id}/vertices/{vertex['id']}{page}", page)
    for log in _json(port, "jobmanager/logs")["logs"]:
        yield from _page(port, f"jobmanager/logs/{log['name']}", "log")
    for taskmanager in _json(port, "taskmanagers")["taskmanagers"]:
        where = f"taskmanagers/{taskmanager['id']}"
        for page in _TASKMANAGER_PAGES:
            yield from _page(port, f"{where}{page}", page)
        for log in _json(port, f"{where}/logs")["logs"]:
            yield from _page(port, f"{where}/logs/{log['name']}", "log")


def _page(port: int, path: str, kind: str) -> Iterator[tuple[str, bytes]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
            yield path, answer.read()
    except HTTPError as error:
        error.close()
        if kind not in _MAY_BE_MISSING:
            raise AssertionError(f"Flink does not show {path}: {error}") from error


def _json(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
        return json.load(answer)
