"""Sensors' hours under the names of OGC SensorThings: a quantity is a Datastream, an hour an Observation.

Only the names: neither its query language nor its entities' links beyond ``nextLink``. Windows are Observations of
their own Datastreams, since SensorThings has no aggregation; ``resultQuality`` is QARTOD's flag.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from schemas.tables import Column
from serving import encodings, parameters, visibility
from serving.keys import LOCAL
from serving.problems import Problem
from serving.questions import question
from serving.reader import read_page
from serving.routes import problem_answers, tagged
from serving.service import Service
from serving.store import Row

HOURS = "sensor-hours"

_UNITS = {"µg/m³": "ug/m3", "mg/m³": "mg/m3", "°C": "Cel", "%": "%", "hPa": "hPa"}
_FLAGS = {1: "good", 2: "not evaluated", 3: "suspect", 4: "fail"}
_AVERAGE = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


def add(app: FastAPI, service: Service) -> None:
    """Adds the routes, where the sensors' tables are declared."""
    try:
        asked = question(HOURS)
    except KeyError:
        return
    path = "/v1/sensors/{sensor_id}/Datastreams"
    extra = {
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}}
            for name in ("month", "from", "to", "cursor", "limit")
        ]
    }

    async def rows(request: Request, sensor_id: str) -> tuple[list[dict[str, Any]], str | None]:
        caller = service.admit(request)
        given = parameters.asked(
            asked,
            {"sensor_id": sensor_id},
            request.query_params.multi_items(),
            "application/json",
            service.now(),
        )
        visibility.check(asked, given.ids, caller)
        start = service.cursors.position(given.cursor, asked, given.ids, given.span) if given.cursor else None
        keep = visibility.filter_of(service.store, asked, LOCAL, superseded=False)
        page = await read_page(service.store, asked, given.ids, given.span, given.limit, start, keep)
        following = None
        if page.next is not None:
            cursor = service.cursors.text(page.next, asked, given.ids, given.span)
            following = str(
                request.url.include_query_params(
                    **dict(given.span.parameters), limit=given.limit, cursor=cursor
                )
            )
        return named(page.columns, page.rows), following

    @app.get(path, tags=["sensors"], operation_id="sensor-datastreams", openapi_extra=extra,
             responses=problem_answers(),
             summary="SensorThings: the quantities that a sensor had in a range.")  # fmt: skip
    async def datastreams(request: Request, sensor_id: str) -> Response:
        found, _ = await rows(request, sensor_id)
        streams = {row["quantity"]: datastream(row) for row in reversed(found)}
        document = {"value": [streams[name] for name in sorted(streams)]}
        return tagged(request, encodings.to_json(document), "application/json")

    @app.get(f"{path}/{{quantity}}/Observations", tags=["sensors"], operation_id="sensor-observations",
             openapi_extra=extra, responses=problem_answers(),
             summary="SensorThings: the hours of one quantity of a sensor, newest first.")  # fmt: skip
    async def observations(request: Request, sensor_id: str, quantity: str) -> Response:
        parameters.identifier("quantity", quantity)
        found, following = await rows(request, sensor_id)
        document: dict[str, Any] = {
            "value": [observation(row) for row in found if row["quantity"] == quantity]
        }
        if following:
            document["@iot.nextLink"] = following
        if (
            not document["value"]
            and not following
            and quantity not in {row["quantity"] for row in found}
            and found
        ):
            raise Problem("not-found", "the sensor has no such Datastream in this range")
        return tagged(request, encodings.to_json(document), "application/json")


def named(columns: Sequence[Column], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows by their columns' names."""
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in rows]


def datastream(row: dict[str, Any]) -> dict[str, Any]:
    """What an hour's row says of its Datastream."""
    unit = row.get("unit")
    return {
        "@iot.id": f"{row['sensor_id']}/{row['quantity']}",
        "name": f"{row['quantity']}, hourly mean",
        "observationType": _AVERAGE,
        "unitOfMeasurement": {
            "name": unit,
            "symbol": unit,
            "definition": f"ucum:{_UNITS.get(str(unit), unit)}",
        },
        "ObservedProperty": {"name": row["quantity"]},
        "Sensor": {"name": row.get("sensor_model")},
        "Thing": {"name": row["sensor_id"], "properties": {"station_id": row.get("station_id")}},
    }


def observation(row: dict[str, Any]) -> dict[str, Any]:
    """An hour as an Observation."""
    start: datetime = row["hour_start"]
    updated = row.get("updated_at")
    return {
        "phenomenonTime": f"{encodings.time_text(start)}/{encodings.time_text(start + timedelta(hours=1))}",
        "resultTime": encodings.time_text(updated) if updated else None,
        "result": row.get("mean"),
        "resultQuality": {
            "flag": row.get("qc_flag"),
            "meaning": _FLAGS.get(row.get("qc_flag") or 0),
            "tests": row.get("qc_tests"),
            "completeness": row.get("completeness"),
        },
        "parameters": {"min": row.get("min"), "max": row.get("max"), "p95": row.get("p95"), "final": row.get("final"),
                       "revision": row.get("revision")},
    }  # fmt: skip
