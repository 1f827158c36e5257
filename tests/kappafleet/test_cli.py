"""The command line: one clear line and exit code 2 for a mistake."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kappafleet import cli
from kappafleet.places import project_root

HEAVY = ("pyflink", "numba", "numpy", "cassandra", "apache_beam")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "'fly'"),
        (["--fast"], "--fast"),
        (["stack"], "Missing command"),
        (["stack", "sideways"], "'sideways'"),
        (["stack", "up", "--fast"], "--fast"),
        (["stack", "up", "now"], "now"),
        (["publish"], "path"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_or_option_is_one_line_and_exit_code_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("kappafleet: ")
    assert says in line
    assert "--help" in line


def test_a_wrong_setting_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAPPAFLEET_PORT_OFFSET", "a lot")
    assert cli.run(["stack", "status"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("kappafleet: KAPPAFLEET_PORT_OFFSET=a lot")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["stack", "--help"]], ids=" ".join)
def test_help_lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 0
    assert ("status" if "stack" in arguments else "publish") in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from kappafleet import cli; cli.run(['--help']); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=project_root()
    )
    assert done.stderr.strip() == "[]"
