"""The image: everything that the Dockerfile names is there, and what it copies is all that the job needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.deploy.image import (
    ROOT,
    build_context,
    copied,
    fresh_clone,
    instructions,
    project_dockerfile,
    project_image,
    unpack,
)

_PACKAGES = ("conf", "connectors", "jobs", "kappafleet", "schemas", "serving")


def test_everything_that_is_copied_is_in_a_fresh_clone() -> None:
    files = project_image()

    assert {path.split("/")[3] for path in files if path.count("/") > 3} == set(_PACKAGES)
    assert "/opt/kappafleet/jobs/driver_stats/job.py" in files
    assert not [path for path in files if path.startswith("/opt/kappafleet/connectors/java")]


def test_a_copy_of_what_is_not_there_is_noticed() -> None:
    with pytest.raises(LookupError, match="there is no missing"):
        copied(["here/file"], instructions("FROM a\nCOPY here missing /to/"))


def test_copies_land_where_docker_puts_them() -> None:
    context = ["one/a.py", "one/deep/b.py", "LICENSE", "other/c.py"]
    steps = instructions("FROM a\nCOPY one /to/one\nCOPY one/*.py \\\n  LICENSE /flat/\nCOPY LICENSE /name")

    assert copied(context, steps) == {
        "/to/one/a.py": "one/a.py",
        "/to/one/deep/b.py": "one/deep/b.py",
        "/flat/a.py": "one/a.py",
        "/flat/LICENSE": "LICENSE",
        "/name": "LICENSE",
    }


def test_the_build_sees_neither_state_nor_data_nor_secrets() -> None:
    strays = [
        ".env",
        ".git/config",
        ".kappafleet/log",
        ".venv/bin/python",
        "password.txt",
        "conf/__pycache__/a.pyc",
    ]
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8")

    assert build_context(strays, ignore) == []
    tops = {path.split("/")[0] for path in build_context(fresh_clone(), ignore)}
    assert tops == {"LICENSE", "NOTICE", "requirements.lock", *_PACKAGES}


def test_no_layer_holds_a_secret_and_the_image_runs_as_flink() -> None:
    steps = project_dockerfile()

    assert not [step for step in steps if re.search(r"(?i)password|secret|token|credential", step.text)]
    assert not [step for step in steps if step.name == "ADD"]
    assert [step.text for step in steps if step.name == "USER"][-1] == "flink"
    assert steps[-1].name == "USER"


def test_every_stage_that_is_copied_from_exists() -> None:
    steps = project_dockerfile()
    stages = {step.text.split(" AS ")[1] for step in steps if step.name == "FROM" and " AS " in step.text}
    wanted = {name for step in steps for name in re.findall(r"--from=(\S+)", step.text)}

    assert wanted <= stages


def test_one_version_of_flink_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pyflink = next(each for each in project["dependencies"] if each.startswith("apache-flink=="))
    version = pyflink.removeprefix("apache-flink==")
    pom = (ROOT / "connectors/java/pom.xml").read_text(encoding="utf-8")
    arguments = [step.text for step in project_dockerfile() if step.name == "ARG"]

    assert f"<flink.version>{version}</flink.version>" in pom
    assert f"FLINK_VERSION={version}" in arguments
    assert f"apache-flink=={version} " in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_maven_makes_the_jar_under_the_name_that_is_copied() -> None:
    pom = (ROOT / "connectors/java/pom.xml").read_text(encoding="utf-8")
    name = re.search(r"<finalName>(.*)</finalName>", pom)
    copies = [step.text for step in project_dockerfile() if "--from=jar" in step.text]

    assert name is not None
    assert copies == [f"--from=jar /build/target/{name[1]}.jar /opt/flink/lib/"]


def test_the_images_files_suffice_to_import_the_job(tmp_path: Path) -> None:
    """Its modules and the files beside them, none taken from the checkout."""
    project = unpack(project_image(), tmp_path / "image")
    code = """
import json, sys
import jobs.driver_stats.job
from jobs.driver_stats.settings import Settings
from schemas.tables import cql_text, tables
Settings.load(["trip.stop_s=0"]), tables("driver_stats"), cql_text("driver_stats")
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({name: file for name, file in files.items() if name.split(".")[0] in sys.argv[1:]}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *_PACKAGES],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(project), "NUMBA_CACHE_DIR": str(tmp_path / "numba")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    loaded: dict[str, str] = json.loads(done.stdout)
    assert "jobs.driver_stats.settings" in loaded
    assert {name: file for name, file in loaded.items() if not file.startswith(str(project))} == {}


def test_no_module_of_a_job_hides_one_of_python() -> None:
    """`flink run -py jobs/JOB/job.py` puts the job's folder in front of Python's own modules."""
    names = {path.stem for path in (ROOT / "jobs").glob("*/*.py")}

    assert names & set(sys.stdlib_module_names) == set()
