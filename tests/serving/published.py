"""Rows published as a job does."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pika

from kappafleet.connections import RabbitMQConnection, rabbitmq_parameters
from kappafleet.streams import RESULTS, declare_results
from serving.store import keyspace_of
from tests.serving.tables import FIRST, JOB


class Publisher:
    """Publishes rows as a job does."""

    def __init__(self) -> None:
        ports = {"amqp_port": int(os.environ["KF_TEST_RABBITMQ_AMQP_PORT"]), "stream_port": 0}
        parameters = rabbitmq_parameters(RabbitMQConnection("127.0.0.1", **ports))
        parameters.heartbeat = 0  # a test may do something else for long
        self._connection = pika.BlockingConnection(parameters)
        declare_results(self._connection)
        self._channel = self._connection.channel()
        self._us = time.time_ns() // 1000

    def change(
        self, table: str, group: str, of: str, version: int = FIRST, job: str = JOB, **row: Any
    ) -> None:
        self._us += 1
        properties = pika.BasicProperties(
            message_id=f"{table}/{'/'.join(str(row[name]) for name in sorted(row) if name in _KEYS)}@{self._us}-f",
            type=table,
            app_id=keyspace_of(job, version),
            headers={"write_us": self._us},
        )
        self._channel.basic_publish(RESULTS, f"{table}.{group}.{of}", json.dumps(row).encode(), properties)

    def vehicle(self, name: str, fleet: str = "north", version: int = FIRST, **row: Any) -> None:
        self.change("vehicle_live", fleet, name, version, fleet_id=fleet, vehicle_id=name, **row)

    def event(self, driver: str, at: str, fleet: str = "north", **row: Any) -> None:
        values = {
            "driver_id": driver,
            "day": at[:10],
            "event_time": at,
            "type": "harsh_brake",
            "vehicle_id": "van-7",
        }
        self.change("driver_event", fleet, driver, **(values | row), fleet_id=fleet)

    def close(self) -> None:
        self._connection.close()


_KEYS = ("fleet_id", "vehicle_id", "driver_id", "event_time", "type", "day")
