"""Log-ins and TLS with real servers, and that no password comes to light anywhere (docs/security.md)."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.cassandra import connect
from kappafleet.messages import line_files, lines
from kappafleet.places import project_root
from kappafleet.stack.flink import jobs_folder
from schemas.tables import tables
from tests.system.leaks import CommandLines, hits, in_files, rest_pages
from tests.system.pipeline import wait_until
from tests.system.secured import SecuredStack, on_free_ports

EXCHANGE, PARTITIONS = "telemetry-of-secrets", 2
HISTORY = ("--set", "window.allowed_lateness_s=0", "--set", "watermark.idle_s=3")
FROM_ENVIRONMENT, FROM_FILES = "kf_passwords_from_environment", "kf_passwords_from_files"
LIMIT_S = 600

Done = subprocess.CompletedProcess[str]
Environment = dict[str, str]
Keys = dict[str, set[tuple[Any, ...]]]


@dataclass
class Fleet:
    """The servers, the data, and what commands have printed."""

    stack: SecuredStack
    root: Path
    messages: Path
    command_lines: CommandLines
    printed: list[str] = field(default_factory=list)

    def command(self, environment: Mapping[str, str], *arguments: str) -> Done:
        """`kappafleet ARGUMENT...` as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "kappafleet", *arguments],
            env={**environment, "PYTHONPATH": str(project_root())},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        self.printed.append(done.stdout + done.stderr)
        return done

    def publish(self, changes: Mapping[str, str] | None = None) -> Done:
        """Publishes the messages with passwords from the environment, right but for the changes."""
        environment = {**self.stack.with_passwords, **(changes or {})}
        return self.command(
            environment,
            "publish",
            str(self.messages),
            "--exchange",
            EXCHANGE,
            "--partitions",
            str(PARTITIONS),
        )

    def job(self, environment: Mapping[str, str], command: str, keyspace: str, bounded: int = 0) -> Done:
        """`kappafleet run` or `submit` of driver_stats, over the stream port."""
        streams = ",".join(f"{EXCHANGE}-{number}" for number in range(PARTITIONS))
        source = f"rabbitmq:?streams={streams}&bounded={bounded}"
        sink = f"cassandra://127.0.0.1:{self.stack.ports.cql}/{keyspace}"
        return self.command(
            environment,
            command,
            "driver_stats",
            "--from",
            source,
            "--to",
            sink,
            "--parallelism",
            "1",
            *HISTORY,
        )

    def keys(self, keyspace: str) -> Keys:
        """The keys of all rows, read over TLS."""
        with connect(self.stack.cassandra.connection) as session:
            return {
                table.name: {
                    tuple(getattr(row, name) for name in table.primary_key)
                    for row in session.execute(f"SELECT * FROM {keyspace}.{table.name}")  # names of ours
                }
                for table in tables("driver_stats")
            }

    def state(self, job_id: str) -> str:
        """Flink's word for the job's state."""
        return str(self._flink(f"jobs/{job_id}")["state"])

    def failures(self, job_id: str) -> str:
        """Why the job failed, each time."""
        history = self._flink(f"jobs/{job_id}/exceptions?maxExceptions=50")["exceptionHistory"]["entries"]
        return "\n".join(each["stacktrace"] for each in history)

    def stop_with_savepoint(self, job_id: str) -> Path:
        """Ends the job in good order; returns the savepoint's folder."""
        wish = json.dumps({"drain": False}).encode()
        trigger = self._flink(f"jobs/{job_id}/stop", wish)["request-id"]
        told: dict[str, Any] = {}

        def done() -> bool:
            told.update(self._flink(f"jobs/{job_id}/savepoints/{trigger}"))
            return bool(told["status"]["id"] == "COMPLETED")

        wait_until(done, LIMIT_S, "the savepoint")
        assert "location" in told["operation"], told
        wait_until(lambda: self.state(job_id) == "FINISHED", LIMIT_S, "the job to end")
        return Path(urlsplit(told["operation"]["location"]).path)

    def leaks(self, pages: Mapping[str, bytes]) -> list[str]:
        """Where a secret stands: in files of servers and commands, in outputs, command lines and pages."""
        secrets = self.stack.secrets
        found = in_files(self.stack.home, secrets)
        for text in self.printed:
            found += hits("what a command printed", text.encode(), secrets)
        for line in list(self.command_lines.lines):
            found += hits("a command line", line, secrets)
        for path, content in pages.items():
            found += hits(f"Flink's page {path}", content, secrets)
        return found

    def _flink(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.stack.ports.rest}/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Refusal:
    """A wrong setting, what the one line must say, and whether a job meets it (else publishing).

    A job checks RabbitMQ as publishing does, then the stream port, then Cassandra.
    """

    changes: Mapping[str, str]
    says: Sequence[str]
    job: bool = False

    def settings(self, stack: SecuredStack) -> Environment:
        """The changes for these servers."""
        known = {
            "other_ca": str(stack.certificates.other_ca),
            "wrong": stack.wrong_password,
            "plain_port": str(stack.ports.management),
        }
        return {name: value.format(**known) for name, value in self.changes.items()}


REFUSALS = {
    "rabbitmq: guest": Refusal(
        {"KF_RABBITMQ_USER": "guest", "KF_RABBITMQ_PASSWORD": "guest"},
        ["refuses user 'guest'", "KF_RABBITMQ_USER"],
    ),
    "rabbitmq: wrong password": Refusal(
        {"KF_RABBITMQ_PASSWORD": "{wrong}"}, ["refuses user 'fleet'", "KF_RABBITMQ_PASSWORD"]
    ),
    "rabbitmq: another authority": Refusal(
        {"KF_RABBITMQ_CA_FILE": "{other_ca}"}, ["is not trusted", "KF_RABBITMQ_CA_FILE"]
    ),
    "rabbitmq: certificate of another host": Refusal(
        {"KF_RABBITMQ_HOST": "127.1"}, ["is not trusted", "not valid for '127.1'", "KF_RABBITMQ_HOST"]
    ),
    "rabbitmq: plain to a TLS port": Refusal({"KF_RABBITMQ_TLS": "0"}, ["without TLS", "KF_RABBITMQ_TLS=1"]),
    "rabbitmq: TLS to a plain port": Refusal(
        {"KF_RABBITMQ_AMQP_PORT": "{plain_port}"}, ["no TLS is spoken", "KF_RABBITMQ_AMQP_PORT"]
    ),
    "stream port: TLS to a plain port": Refusal(
        {"KF_RABBITMQ_STREAM_PORT": "{plain_port}"}, ["no TLS is spoken", "KF_RABBITMQ_STREAM_PORT"], job=True
    ),
    "cassandra: nobody": Refusal(
        {"KF_CASSANDRA_USER": ""}, ["refuses connections without a user", "KF_CASSANDRA_USER"], job=True
    ),
    "cassandra: wrong password": Refusal(
        {"KF_CASSANDRA_PASSWORD": "{wrong}"}, ["refuses user 'fleet'", "KF_CASSANDRA_PASSWORD"], job=True
    ),
    "cassandra: another authority": Refusal(
        {"KF_CASSANDRA_CA_FILE": "{other_ca}"}, ["is not trusted", "KF_CASSANDRA_CA_FILE"], job=True
    ),
    "cassandra: plain to a TLS port": Refusal(
        {"KF_CASSANDRA_TLS": "0"}, ["without TLS", "KF_CASSANDRA_TLS=1"], job=True
    ),
}

WRONG_IN_TASKMANAGER = {
    "KF_CASSANDRA_PASSWORD": Refusal(
        {}, ["Cassandra at 127.0.0.1", "refuses the connection"]
    ),  # from the start
    "KF_RABBITMQ_PASSWORD": Refusal(
        {"KF_RABBITMQ_PASSWORD": "{wrong}"},
        ["cannot connect to RabbitMQ streams", "refuses the user or the password"],
    ),
    "KF_RABBITMQ_CA_FILE": Refusal(
        {"KF_RABBITMQ_CA_FILE": "{other_ca}"}, ["cannot connect to RabbitMQ streams", "is not trusted"]
    ),
}


@dataclass
class Outcome:
    """What the whole way brought."""

    job_id: str
    from_files: Done | None = None
    refused: dict[str, Done] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    """By wrong setting of the TaskManager: what Flink says of the job's failures, and of its state then."""
    states: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Keys] = field(default_factory=dict)
    """By keyspace."""
    state_files: list[str] = field(default_factory=list)
    """What Flink keeps of the running job for another JobManager, as far as it names the keyspace."""
    leaks: list[str] = field(default_factory=list)
    """Where a secret stands while the job runs."""
    pages: dict[str, bytes] = field(default_factory=dict)
    """Flink's, of the running job."""
    savepoint: Path = Path()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Secured servers, up."""
    root = tmp_path_factory.mktemp("secrets")
    demo = line_files(project_root() / "data" / "demo")
    wanted = [line for line in lines(demo) if json.loads(line)["vehicle_id"] == "nds-drive-1"]
    messages = root / "messages.jsonl"
    messages.write_bytes(b"".join(line.rstrip(b"\n") + b"\n" for line in wanted))
    stack = on_free_ports(root / "servers")
    with CommandLines() as command_lines:
        try:
            stack.up(limit_s=LIMIT_S)
            yield Fleet(stack, root / "servers", messages, command_lines)
        finally:
            stack.down()


@pytest.fixture(scope="module")
def outcome(fleet: Fleet) -> Outcome:
    """Goes the whole way, with passwords from the environment and from files; the refusals meanwhile."""
    stack = fleet.stack
    published = fleet.publish()
    assert published.returncode == 0, published.stderr
    with ThreadPoolExecutor(2) as threads:
        submitted = threads.submit(fleet.job, stack.with_passwords, "submit", FROM_ENVIRONMENT)
        from_files = threads.submit(fleet.job, stack.with_files, "run", FROM_FILES, 1)
        refused = {name: threads.submit(_refuse, fleet, each) for name, each in REFUSALS.items()}
        submission = submitted.result()
        assert submission.returncode == 0, submission.stderr
        found = Outcome(submission.stdout.strip())
        for name, wrong in WRONG_IN_TASKMANAGER.items():
            if wrong.changes:
                stack.give(wrong.settings(stack))
            fails = partial(_fails_over, fleet, found.job_id, name)
            wait_until(fails, LIMIT_S, f"a failure over {name}")
            found.told[name] = fleet.failures(found.job_id)
            found.states[name] = fleet.state(found.job_id)
        stack.give({})
        found.from_files = from_files.result()
        found.keys[FROM_FILES] = fleet.keys(FROM_FILES)
        arrived = partial(_arrived, fleet, found.job_id, found.keys[FROM_FILES])
        wait_until(arrived, LIMIT_S, "the same rows")
        found.refused = {name: each.result() for name, each in refused.items()}
    found.pages = dict(rest_pages(stack.ports.rest, found.job_id))
    found.leaks = fleet.leaks(found.pages)
    found.state_files = in_files(jobs_folder(stack.home), [FROM_ENVIRONMENT])
    found.savepoint = fleet.stop_with_savepoint(found.job_id)
    found.states["at the end"] = fleet.state(found.job_id)
    return found


def _fails_over(fleet: Fleet, job_id: str, name: str) -> bool:
    told = fleet.failures(job_id)
    assert fleet.state(job_id) != "FAILED", told
    return name in told


def _arrived(fleet: Fleet, job_id: str, expected: Keys) -> bool:
    assert fleet.state(job_id) != "FAILED", fleet.failures(job_id)
    return fleet.keys(FROM_ENVIRONMENT) == expected


def _refuse(fleet: Fleet, refusal: Refusal) -> Done:
    changes = refusal.settings(fleet.stack)
    if not refusal.job:
        return fleet.publish(changes)
    return fleet.job({**fleet.stack.with_passwords, **changes}, "run", "kf_refused", 1)


def test_the_same_rows_arrive_over_tls_with_passwords_from_the_environment_and_from_files(
    outcome: Outcome,
) -> None:
    assert outcome.from_files is not None
    assert outcome.from_files.returncode == 0, outcome.from_files.stderr
    assert outcome.keys[FROM_FILES]["trip"]
    assert not outcome.keys[FROM_FILES]["reject"]
    assert outcome.states["at the end"] == "FINISHED"


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_is_one_line_that_says_what_to_do(outcome: Outcome, name: str) -> None:
    done = outcome.refused[name]
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for words in REFUSALS[name].says:
        assert words in done.stderr


@pytest.mark.parametrize("name", WRONG_IN_TASKMANAGER)
def test_a_job_tells_why_a_server_refuses_it_and_goes_on_once_that_is_corrected(
    outcome: Outcome, name: str
) -> None:
    for words in (name, *WRONG_IN_TASKMANAGER[name].says):
        assert words in outcome.told[name]
    # A changed password reaches a TaskManager with its next start; until then the job is not given up.
    assert outcome.states[name] in ("RUNNING", "RESTARTING", "FAILING")


def test_no_password_in_any_file_output_command_line_or_page_of_flink(fleet: Fleet, outcome: Outcome) -> None:
    assert outcome.leaks == []
    assert fleet.leaks({}) == []
    # It was no search in the dark: these are the places where passwords would stand.
    assert outcome.state_files
    assert f"{EXCHANGE}-0".encode() in (outcome.savepoint / "_metadata").read_bytes()
    assert any(b"jobs/driver_stats/job.py" in line for line in fleet.command_lines.lines)
    for page in (
        "jobmanager/environment",
        f"jobs/{outcome.job_id}/config",
        "jobmanager/logs/taskmanager-1.log",
    ):
        assert len(outcome.pages[page]) > 100


def test_the_search_finds_planted_passwords(fleet: Fleet, outcome: Outcome) -> None:
    """In a log, which Flink shows too, in what a command prints, and on a command line."""
    secret = fleet.stack.secrets[0]
    log = fleet.stack.home / "logs" / "planted.log"
    log.write_text(f"log-in with {secret}", encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-c", "input()", secret], stdin=subprocess.PIPE)
    fleet.printed.append(secret)
    try:
        seen = fleet.command_lines.lines
        wait_until(lambda: any(secret.encode() in line for line in list(seen)), 10, "the command line")
        found = fleet.leaks(dict(rest_pages(fleet.stack.ports.rest, outcome.job_id)))
    finally:
        process.communicate(b"\n")
        log.unlink()
        fleet.printed.remove(secret)
        fleet.command_lines.forget(secret)
    page = "Flink's page jobmanager/logs/planted.log"
    assert {str(log), page, "what a command printed", "a command line"} <= set(found)
