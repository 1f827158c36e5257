"""The Flink installation that is made from the PyFlink wheel."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
import yaml

from kappafleet import flink_home
from kappafleet.errors import MissingPart
from kappafleet.places import project_root


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    found = tmp_path / "ours.jar"
    found.write_bytes(b"one")
    return found


@pytest.fixture
def environment(jar: Path) -> dict[str, str]:
    return {**os.environ, "KAPPAFLEET_JAR": str(jar)}


def test_lib_holds_flink_flink_python_and_our_jar(tmp_path: Path, environment: dict[str, str]) -> None:
    made = flink_home.prepare(tmp_path / "home", environment=environment)
    lib = made.path / "lib"
    assert len(list(lib.glob("flink-dist-*.jar"))) == 1
    assert len(list(lib.glob("flink-python-*.jar"))) == 1
    assert (lib / "kappafleet-connectors.jar").read_bytes() == b"one"
    assert (made.path / "bin" / "flink").stat().st_mode & 0o111
    assert list((made.path / "opt").glob("flink-python-*.jar"))


def test_the_wheels_java_options_stay_and_pemja_is_loaded_by_the_parent(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    made = flink_home.prepare(
        tmp_path / "home", environment=environment, conf_name="mine", settings={"rest": {"port": 1234}}
    )
    config = yaml.safe_load((made.conf / "config.yaml").read_text())
    wheels = yaml.safe_load((flink_home.pyflink_folder() / "conf" / "config.yaml").read_text())
    assert config["env"]["java"]["opts"]["all"] == wheels["env"]["java"]["opts"]["all"]
    assert config["classloader"]["parent-first-patterns"]["additional"] == "pemja"
    assert config["python"]["execution-mode"] == "thread"
    assert config["rest"] == {**wheels["rest"], "port": 1234}
    assert (made.conf / "log4j-console.properties").exists()


def test_no_log_configuration_lets_the_client_log_its_environment_and_edited_ones_stay(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    conf = flink_home.prepare(tmp_path, environment=environment).conf
    found = sorted(conf.glob("log4j*.properties"))
    assert [each.name for each in found]
    for each in found:
        assert "logger.pythonenvironment.level = WARN" in each.read_text(encoding="utf-8")
    original = flink_home.pyflink_folder() / "conf" / found[0].name
    found[0].write_text(
        original.read_text(encoding="utf-8"), encoding="utf-8"
    )  # of an earlier version of ours
    found[1].write_text("rootLogger.level = DEBUG", encoding="utf-8")
    flink_home.prepare(tmp_path, environment=environment)
    assert "logger.pythonenvironment.level = WARN" in found[0].read_text(encoding="utf-8")
    assert found[1].read_text(encoding="utf-8") == "rootLogger.level = DEBUG"


def test_a_second_time_changes_nothing_and_takes_no_time(tmp_path: Path, environment: dict[str, str]) -> None:
    home = tmp_path / "home"
    made = flink_home.prepare(home, environment=environment)
    before = {each: each.lstat().st_mtime_ns for each in made.path.rglob("*") if each.name != ".lock"}
    begun = time.monotonic()
    assert flink_home.prepare(home, environment=environment) == made
    assert time.monotonic() - begun < 1
    assert before == {each: each.lstat().st_mtime_ns for each in made.path.rglob("*") if each.name != ".lock"}


def test_a_rebuilt_jar_is_taken_as_a_new_file_so_that_running_jvms_keep_theirs(
    tmp_path: Path, jar: Path, environment: dict[str, str]
) -> None:
    home = tmp_path / "home"
    ours = flink_home.prepare(home, environment=environment).path / "lib" / "kappafleet-connectors.jar"
    with ours.open("rb") as in_use:
        jar.write_bytes(b"two!")
        flink_home.prepare(home, environment=environment)
        assert ours.read_bytes() == b"two!"
        assert in_use.read() == b"one"


def test_processes_find_this_python_first_and_the_project_on_their_path(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    made = flink_home.prepare(tmp_path / "home", environment=environment)
    found = made.environment({"PATH": "/usr/bin", "PYTHONPATH": "/elsewhere"})
    assert found["FLINK_HOME"] == str(made.path)
    assert found["FLINK_CONF_DIR"] == str(made.conf)
    assert found["PATH"].split(":") == [str(Path(sys.executable).parent), "/usr/bin"]
    assert found["PYTHONPATH"].split(":") == [str(project_root()), "/elsewhere"]


def test_a_missing_jar_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match=r"no connectors jar /nowhere\.jar; correct KAPPAFLEET_JAR"):
        flink_home.prepare(tmp_path, environment={**os.environ, "KAPPAFLEET_JAR": "/nowhere.jar"})
