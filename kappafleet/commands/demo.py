"""``kappafleet demo``: what ``make demo`` runs after the set-up."""

from __future__ import annotations

import sys

import typer


def register(app: typer.Typer) -> None:
    """Adds the command to the command line."""
    app.command(name="demo")(demo)


def demo() -> None:
    """Start the local servers, replay real trips and readings through them, and show results from Cassandra."""
    import os

    from rich.console import Console

    from connectors.cassandra import active_version, connect
    from kappafleet import demo as show
    from kappafleet.commands.stack import start
    from kappafleet.commands.submit import submit_job
    from kappafleet.connections import CassandraConnection, rabbitmq_connection
    from kappafleet.launch import FIRST_VERSION, keyspace_of
    from kappafleet.stack.stack import Stack
    from kappafleet.streams import StreamSettings, declare, declare_results

    console = Console(stderr=True)

    def step(text: str) -> None:
        console.print(f"[bold]{text}[/]")

    step("1/4  servers: RabbitMQ, Cassandra, Flink")
    stack = Stack.from_environment()
    start(stack)
    os.environ.update(stack.client_environment())

    step("2/4  jobs driver_stats and sensor_windows, by flink run")
    with rabbitmq_connection() as connection:
        for exchange in ("telemetry", "observations"):
            declare(connection, exchange, StreamSettings())
        declare_results(connection)
    show.publish_stations()
    for job in (show.JOB, show.SENSOR_JOB):
        job_id = show.running_job(stack, job)
        if job_id:
            console.print(f"{job} runs already: {job_id}")
            continue
        with console.status(f"flink run: {job}"):
            job_id = submit_job(
                job, "rabbitmq:", "cassandra:", show.PARAMETERS[job], parallelism=show.PARALLELISM
            )
        console.print(f"{job} submitted: {job_id}")

    step("3/4  real trips and readings into RabbitMQ, moved to today")
    published = show.publish_trips(show.data_folders())
    readings = show.publish_readings(show.sensor_folder())

    step("4/4  results")
    with connect(CassandraConnection.from_environment()) as session:
        keyspace = keyspace_of(show.JOB, active_version(session, show.JOB) or FIRST_VERSION)
        rows = show.await_results(session, keyspace, published, console)
        told = show.alerts(session, keyspace, rows)
        sensor_keyspace = keyspace_of(
            show.SENSOR_JOB, active_version(session, show.SENSOR_JOB) or FIRST_VERSION
        )
        hours = show.await_sensors(session, sensor_keyspace, readings, console)
    out = Console()
    out.print(show.drivers_table(rows))
    if told:
        out.print(show.alerts_table(told))
    out.print(show.sensors_table(hours))
    out.print(
        "The last minute of each vehicle follows about a minute later, when the quiet streams close it.\n"
    )
    print("Try:")
    queries = show.queries(rows, told, keyspace, stack.ports.cql)
    for query in queries + show.sensor_queries(hours, sensor_keyspace, stack.ports.cql):
        print(f"  {query}")
    stack.serving.start()
    print(f"\nSee:    {stack.serving.url}   (the dashboard; its API: {stack.serving.url}openapi.json)")
    print(f"Watch:  Flink {show.flink_url()}   RabbitMQ {show.rabbitmq_url()} (guest, guest)")
    print("Stop:   make down      (keeps the data; make clean deletes them)", flush=True)
    sys.stdout.flush()
