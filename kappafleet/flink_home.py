"""A Flink installation for our jobs, made from the PyFlink wheel in less than a tenth of a second.

``HOME/flink`` has the wheel's ``bin`` and ``conf`` as copies and its jars as links; ``lib`` also holds
flink-python and a copy of our connectors jar. Both belong there and not into a job's jars: a second job in the same
TaskManager would load pemja's native library through another class loader, and die.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kappafleet.errors import MissingPart
from kappafleet.places import connectors_jar, home, java_home, kernel_cache, project_root

_STAMP = ".made-from"
_OUR_JAR = "kappafleet-connectors.jar"

_NO_ENVIRONMENT_IN_LOGS = """
# Kappafleet: before it starts Python, Flink's client logs its whole environment. Values of names with "password",
# "secret" or "token" in them it masks, but a shell may hold more that is nobody's business.
logger.pythonenvironment.name = org.apache.flink.client.python.PythonEnvUtils
logger.pythonenvironment.level = WARN
"""

Config = dict[str, Any]
"""Flink's settings, nested as in its config.yaml."""


@dataclass(frozen=True, slots=True)
class FlinkHome:
    """A prepared installation."""

    path: Path
    conf: Path

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The variables of a process that is to use this installation: ``base`` with some replaced.

        FLINK_HOME and FLINK_CONF_DIR; JAVA_HOME; PATH with this Python's bin first, because Flink's embedded
        interpreter is found by running ``python`` and not by its settings alone; PYTHONPATH with the project's
        root first, so that all processes import the same modules from the same, stable place.
        """
        bin_folder = str(Path(sys.executable).parent)
        return {
            **base,
            "FLINK_HOME": str(self.path),
            "FLINK_CONF_DIR": str(self.conf),
            "FLINK_BIN_DIR": str(self.path / "bin"),
            "FLINK_LIB_DIR": str(self.path / "lib"),
            "FLINK_OPT_DIR": str(self.path / "opt"),
            "FLINK_PLUGINS_DIR": str(self.path / "plugins"),
            "JAVA_HOME": str(java_home(base)),
            "PATH": _first(bin_folder, base.get("PATH") or os.defpath),
            "PYTHONPATH": _first(str(project_root()), base.get("PYTHONPATH", "")),
            "NUMBA_CACHE_DIR": base.get("NUMBA_CACHE_DIR") or str(kernel_cache()),
        }


def prepare(
    folder: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    conf_name: str = "conf",
    settings: Config | None = None,
) -> FlinkHome:
    """Makes ``FOLDER/flink``, or brings an existing one up to date.

    Idempotent, and safe when several processes do it at once. It is made anew when PyFlink or its place changed,
    and takes our jar again when that was rebuilt.

    Args:
        folder: The home of state and logs; None: ``KAPPAFLEET_HOME``.
        environment: Where ``KAPPAFLEET_JAR``, which replaces our jar, and ``JAVA_HOME`` are looked up.
        conf_name: Name of the configuration's folder inside; each has settings of its own.
        settings: Put over the wheel's own settings.

    Raises:
        MissingPart: PyFlink or our jar is not there.
    """
    where = (folder or home(environment)) / "flink"
    wheel = pyflink_folder()
    jar = connectors_jar(environment)
    where.mkdir(parents=True, exist_ok=True)
    with _locked(where):
        stamp = where / _STAMP
        made_from = f"{_version(wheel)}\n{wheel}\n"
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != made_from:
            stamp.unlink(missing_ok=True)
            _make(where, wheel)
            stamp.write_text(made_from, encoding="utf-8")
        _take_jar(where / "lib" / _OUR_JAR, jar)
        _configure(where / conf_name, wheel, settings or {})
    return FlinkHome(where, where / conf_name)


def pyflink_folder() -> Path:
    """Where PyFlink is installed, without importing it (which takes a second).

    Raises:
        MissingPart: it is not installed.
    """
    spec = importlib.util.find_spec("pyflink")
    if spec is None or not spec.origin:
        raise MissingPart("PyFlink is not installed in this Python environment; run: make setup")
    return Path(spec.origin).resolve().parent


def _version(wheel: Path) -> str:
    """Another version has other jars."""
    return ",".join(sorted(jar.name for jar in (wheel / "lib").glob("flink-dist*.jar")))


def _take_jar(target: Path, jar: Path) -> None:
    """Copies our jar if it changed. A running JVM would crash on a jar rewritten in place, hence no link, and a
    new file each time.
    """
    if target.is_file() and _identity(target) == _identity(jar):
        return
    part = target.with_suffix(".part")
    shutil.copy2(jar, part)
    part.replace(target)


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _make(where: Path, wheel: Path) -> None:
    for name in ("bin", "lib", "opt", "plugins"):
        shutil.rmtree(where / name, ignore_errors=True)
    shutil.copytree(wheel / "bin", where / "bin")
    for script in (where / "bin").iterdir():
        script.chmod(0o755)  # wheels lose the executable bit under some installers
    for name in ("lib", "opt"):
        (where / name).mkdir()
        for each in (wheel / name).glob("*.jar"):
            (where / name / each.name).symlink_to(each)
    for each in (wheel / "opt").glob("flink-python-*.jar"):
        (where / "lib" / each.name).symlink_to(each)
    if (wheel / "plugins").is_dir():
        (where / "plugins").symlink_to(wheel / "plugins")
    else:
        (where / "plugins").mkdir()


def _configure(conf: Path, wheel: Path, settings: Config) -> None:
    """Starts from the wheel's settings: they hold ``env.java.opts.all``, without which JDK 17 fails."""
    conf.mkdir(exist_ok=True)
    for each in (wheel / "conf").iterdir():
        if each.name == "config.yaml":
            continue
        target, text = conf / each.name, each.read_text(encoding="utf-8")
        wanted = text + _NO_ENVIRONMENT_IN_LOGS if each.match("log4j*.properties") else text
        known = target.read_text(encoding="utf-8") if target.exists() else None
        if known is None or (known == text and known != wanted):  # what a person changed stays
            _write(target, wanted)
    config: Config = yaml.safe_load((wheel / "conf" / "config.yaml").read_text(encoding="utf-8"))
    for layer in (_common_settings(), settings):
        _merge(config, layer)
    text = yaml.safe_dump(config, sort_keys=True, width=10_000)
    target = conf / "config.yaml"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        _write(target, text)


def _write(target: Path, text: str) -> None:
    part = target.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def _common_settings() -> Config:
    return {
        "classloader": {"parent-first-patterns": {"additional": "pemja"}},
        "python": {
            "execution-mode": "thread",
            "executable": sys.executable,
            "client": {"executable": sys.executable},
        },
        "pipeline": {"object-reuse": True},
    }


def _merge(into: Config, settings: Config) -> None:
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _first(entry: str, path: str) -> str:
    return os.pathsep.join([entry, *(each for each in path.split(os.pathsep) if each and each != entry)])


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
