"""What cannot run is refused before anything starts, in one line, with exit code 2."""

from __future__ import annotations

import pytest

from kappafleet.cli import run
from kappafleet.launch import main, root_cause


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["sensors", "--from", "file:{here}", "--to", "file:{here}"],
            "there is no job sensors; jobs are: driver_stats, sensor_windows, driver_exposure, metrics",
        ),
        (
            ["driver_stats", "--from", "file:{here}/nothing", "--to", "file:{here}"],
            "there is no file or folder",
        ),
        (
            ["driver_stats", "--from", "cassandra:", "--to", "file:{here}"],
            "a job reads rabbitmq: or file:PATH",
        ),
        (
            ["driver_stats", "--from", "file:{here}", "--to", "rabbitmq:"],
            "a job writes cassandra: or file:DIRECTORY",
        ),
        (["driver_stats", "--from", "file:{here}", "--to", "file:{here}/a-file"], "is a file; give a folder"),
        (
            ["driver_stats", "--from", "kafka:", "--to", "file:{here}"],
            "starts with rabbitmq:, cassandra: or file:",
        ),
        (
            ["driver_stats", "--from", "file:{here}", "--to", "file:{here}", "--set", "a.b=1"],
            "no parameter a.b",
        ),
        (
            [
                "driver_stats",
                "--from",
                "file:{here}",
                "--to",
                "file:{here}",
                "--set",
                "results.tables=[trips]",
            ],
            "results.tables: driver_stats has no table trips; it has driver_hour, ",
        ),
        (
            ["driver_stats", "--from", f"file:{'a' * 300}", "--to", "file:{here}"],
            "File name too long; correct",
        ),
        (
            ["driver_stats", "--from", "file:{here}", "--to", f"file:{'a' * 300}"],
            "File name too long; correct",
        ),
        (["driver_stats", "--from", "rabbitmq://..:5", "--to", "file:{here}"], "the form is rabbitmq:"),
        (["driver_stats", "--from", "file:{here}", "--to", "cassandra://..:5"], "the form is cassandra:"),
        (["driver_stats", "--from", "file:{here}"], "Missing option '--to'"),
        (
            ["driver_stats", "--from", "file:{here}", "--to", "file:{here}", "--parallelism", "0"],
            "--parallelism",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, told, tmp_path, capsys):
    (tmp_path / "a-file").touch()
    assert run(["run", *(argument.replace("{here}", str(tmp_path)) for argument in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (["--from", "rabbitmq://127.0.0.1:1", "--to", "file:out"], "stream port 127.0.0.1:1 does not answer"),
        (
            ["--from", "file:{here}", "--to", "cassandra://127.0.0.1:1"],
            "Cassandra at 127.0.0.1 port 1 cannot be reached",
        ),
    ],
)
def test_an_unreachable_server_is_one_line_and_exit_code_2(ends, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAPPAFLEET_HOME", str(tmp_path / "home"))
    assert run(["run", "driver_stats", *(end.replace("{here}", str(tmp_path)) for end in ends)]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("jobmanager", "told"),
    [
        ("127.0.0.1:1", "Flink at 127.0.0.1:1 does not answer"),
        ("here", "--jobmanager here: give HOST:PORT"),
        ("here:99999", "--jobmanager here:99999: give HOST:PORT"),
        ("..:80", "--jobmanager ..:80: give HOST:PORT"),
    ],
)
def test_submitting_to_no_cluster_is_one_line_and_exit_code_2(
    jobmanager, told, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("KAPPAFLEET_HOME", str(tmp_path / "home"))
    ends = ["--from", f"file:{tmp_path}", "--to", f"file:{tmp_path}"]
    assert run(["submit", "driver_stats", *ends, "--jobmanager", jobmanager]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_the_root_cause_is_one_line():
    assert root_cause(ValueError("a\n  b")) == "a b"


@pytest.mark.parametrize(
    "command",
    [
        ["run", "driver_stats", "--from", "file:{here}", "--to", "file:{here}/out"],
        ["submit", "driver_stats", "--from", "file:{here}", "--to", "file:{here}/out"],
        ["stack", "up"],
    ],
    ids=lambda command: command[0],
)
def test_a_home_that_is_a_file_is_one_line_and_exit_code_2(command, tmp_path, capsys, monkeypatch):
    home = tmp_path / "home"
    home.touch()
    monkeypatch.setenv("KAPPAFLEET_HOME", str(home))
    assert run([argument.replace("{here}", str(tmp_path)) for argument in command]) == 2
    err = capsys.readouterr().err
    assert f"{home}" in err
    assert "correct the path" in err
    assert err.count("\n") == 1


def test_on_a_cluster_too_a_file_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main("driver_stats", ["--source", f"file:{'a' * 300}", "--sink", f"file:{tmp_path}"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert "File name too long; correct the path" in err
    assert err.count("\n") == 1


def test_an_error_of_no_file_is_not_taken_for_a_mistake(monkeypatch):
    """What cannot be mended at the keyboard keeps its traceback."""
    monkeypatch.setattr("kappafleet.launch.check", lambda _: (_ for _ in ()).throw(OSError("a bug")))
    with pytest.raises(OSError, match="a bug"):
        run(["submit", "driver_stats"])
