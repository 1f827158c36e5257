"""``kappafleet serve``, ``key`` and ``export`` as processes: what they serve, over TLS too, and what they refuse."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openpyxl
import pytest
import trustme
from cassandra.cluster import Session

LIMIT_S = 300


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kappafleet", *arguments]


def environment() -> dict[str, str]:
    broker = os.environ.get("KF_TEST_RABBITMQ_AMQP_PORT")
    return {
        **os.environ,
        **({"KF_RABBITMQ_AMQP_PORT": broker} if broker else {}),
        "KF_CASSANDRA_PORT": os.environ["KF_TEST_CASSANDRA_PORT"],
        "KF_CASSANDRA_HOSTS": "127.0.0.1",
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(*arguments: str, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server's address, once it answers; it is ended as Ctrl-C ends it."""
    port = free_port()
    scheme = "https" if context else "http"
    process = subprocess.Popen(
        command("serve", "--port", str(port), *arguments),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    address = f"{scheme}://localhost:{port}"
    try:
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=10, context=context).close()
                break
            except OSError:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode in (0, 130)


def refused(*arguments: str, **variables: str) -> str:
    run = subprocess.run(
        command(*arguments),
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


def test_the_dashboard_the_api_and_its_description_are_served(filled: Session) -> None:
    with served() as address:
        with urllib.request.urlopen(f"{address}/", timeout=30) as page:
            assert page.url == f"{address}/dashboard/"
            assert b"kappafleet" in page.read()
            assert "default-src 'none'" in page.headers["Content-Security-Policy"]
            assert "server" not in {name.lower() for name in page.headers}
        with urllib.request.urlopen(f"{address}/v1/fleets/north/drivers?day=2026-11-21", timeout=30) as rows:
            assert b'"anna"' in rows.read()


def test_over_tls_with_keys_nothing_is_given_without_one(filled: Session, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    cert, key, keys = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "keys.yaml"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    added = subprocess.run(
        command("key", "add", "north", "--keys", str(keys), "--fleet", "north"),
        capture_output=True,
        text=True,
        check=True,
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    arguments = ("--tls-cert", str(cert), "--tls-key", str(key), "--keys", str(keys), "--host", "0.0.0.0")
    with served(*arguments, context=context) as address:
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{address}/v1/fleets", context=context, timeout=30)
        assert error.value.code == 401
        error.value.close()
        request = urllib.request.Request(
            f"{address}/v1/fleets", headers={"Authorization": f"Bearer {added.stdout.strip()}"}
        )
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            assert answer.read() == b'{"fleets":["north"]}'
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{address}/health", timeout=30)


def test_what_cannot_be_served_is_one_line(filled: Session, tmp_path: Path) -> None:
    assert "set up API keys" in refused("serve", "--host", "0.0.0.0")
    assert "needs both" in refused("serve", "--tls-cert", "x.pem")
    assert "cannot be read" in refused("serve", "--keys", str(tmp_path / "none.yaml"))
    (tmp_path / "short").write_bytes(b"secret")
    assert "needs 32" in refused("serve", "--secret-file", str(tmp_path / "short"))
    (tmp_path / "no.pem").write_text("no certificate")
    name = str(tmp_path / "no.pem")
    assert "--tls-cert" in refused("serve", "--port", str(free_port()), "--tls-cert", name, "--tls-key", name)
    assert "cannot be reached" in refused("serve", KF_CASSANDRA_PORT=str(free_port()))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is taken" in refused("serve", "--port", str(taken.getsockname()[1]))


def test_export_writes_a_workbook_and_names_it(filled: Session, tmp_path: Path) -> None:
    run = subprocess.run(
        command("export", "north", "--day", "2026-11-21", "--to", str(tmp_path)),
        env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(tmp_path / "north_2026-11-21.xlsx")
    assert "Drivers" in openpyxl.load_workbook(tmp_path / "north_2026-11-21.xlsx").sheetnames
    assert "the form is 2026-11-21" in refused("export", "north", "--day", "yesterday")
    assert "cannot be written" in refused("export", "north", "--to", str(tmp_path / "none" / "x.xlsx"))
