"""``kappafleet serve``: the HTTP API and the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving.service import Settings


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="serve")(serve)


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Without --keys only this machine's: 127.0.0.1 or ::1.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: the local stack's, 8480.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="File of API keys (kappafleet key add); KF_SERVING_KEYS names one, too."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM, with its chain): serve HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Requests a second of one caller; 0: no limit.")] = 50.0,
    burst: Annotated[int, typer.Option(min=1, help="Requests at once of one caller.")] = 200,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="32 or more random bytes that sign cursors: they then outlive a restart."),
    ] = None,
    flink: Annotated[
        str | None,
        typer.Option(help="Flink's REST address for the pipeline page. Default: the local stack's."),
    ] = None,
) -> None:
    """Serve the tables by HTTP: API, its description (/openapi.json), and the dashboard, until it is stopped."""
    import os

    from kappafleet.connections import RabbitMQConnection
    from kappafleet.errors import UserError
    from kappafleet.places import LOOPBACK, LocalPorts, port_offset
    from serving.service import Settings

    ports = LocalPorts(port_offset())
    named = os.environ.get("KF_SERVING_KEYS")
    chosen = keys or (Path(named) if named else None)
    if (tls_cert is None) != (tls_key is None):
        raise UserError("TLS needs both: --tls-cert and --tls-key")
    if chosen is None and host not in ("127.0.0.1", "::1", "localhost"):
        raise UserError(
            f"on {host} others could ask: set up API keys (kappafleet key add), and give --keys FILE"
        )
    settings = Settings(
        keys=chosen,
        secret=_secret(secret_file) if secret_file else None,
        rate=rate,
        burst=burst,
        flink=flink or f"http://{LOOPBACK}:{ports.rest}",
        broker=RabbitMQConnection.from_environment(),
    )
    _run(settings, host, port or ports.http, tls_cert, tls_key)


def _run(settings: Settings, host: str, port: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    import ssl
    import sys

    import uvicorn

    from connectors.cassandra_client import connect
    from kappafleet.connections import CassandraConnection
    from kappafleet.errors import UserError
    from kappafleet.stack.server import is_free
    from serving.app import build
    from serving.service import Service
    from serving.store import Store

    if host in ("127.0.0.1", "localhost") and not is_free(port):
        raise UserError(f"port {port} is taken: stop what listens there, or give --port")
    with connect(CassandraConnection.from_environment()) as session:
        app = build(Service.of(Store(session), settings))
        try:
            server = uvicorn.Server(
                uvicorn.Config(
                    app,
                    host=host,
                    port=port,
                    ssl_certfile=tls_cert,
                    ssl_keyfile=tls_key,
                    log_level="warning",
                    proxy_headers=False,  # a client must not choose its address
                    server_header=False,
                    limit_concurrency=2000,
                    # Compressing each change for each follower anew would cost more than the network saves.
                    ws_per_message_deflate=False,
                    ws_max_size=4096,  # followers send nothing
                    timeout_graceful_shutdown=5,
                )
            )
            server.config.load()
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"--tls-cert {tls_cert}, --tls-key {tls_key}: {error}") from error
        where = f"{'https' if tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        print(
            f"serving at {where}/ (API: {where}/openapi.json); stop with Ctrl-C", file=sys.stderr, flush=True
        )
        server.run()


def _secret(path: Path) -> bytes:
    from kappafleet.errors import UserError

    try:
        found = path.read_bytes().strip()
    except OSError as error:
        raise UserError(f"--secret-file {path} cannot be read: {error}") from error
    if len(found) < 32:
        raise UserError(f"--secret-file {path} has {len(found)} bytes: it needs 32 random ones")
    return found
