"""How the pipeline is: Flink's jobs, their rates, watermarks, checkpoints and how far behind the log they are."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from serving import encodings
from serving.problems import Problem
from serving.routes import problem_answers, tagged
from serving.service import Service, may_see_all

TIMEOUT_S = 3.0
KEPT_S = 2.0
MOST_BYTES = 4 << 20
MOST_METRICS = 256

_ID = re.compile(r"[0-9a-f]{32}")
_RATES = "numRecordsInPerSecond,numRecordsOutPerSecond,busyTimeMsPerSecond,backPressuredTimeMsPerSecond"
_NO_WATERMARK = -(1 << 62)


def add(app: FastAPI, service: Service) -> None:
    """Adds the route."""
    flink = Flink(service.settings.flink) if service.settings.flink else None

    @app.get("/v1/pipeline", tags=["server"], operation_id="pipeline",
             summary="How are the jobs: rates, watermarks, checkpoints, how far behind the log?",
             responses=problem_answers())  # fmt: skip
    async def pipeline(request: Request) -> Response:
        may_see_all(service.admit(request))
        if flink is None:
            raise Problem("not-found", "the server was not told where Flink is: kappafleet serve --flink URL")
        return tagged(request, encodings.to_json(await flink.state()), "application/json")


class Flink:
    """Reads a fixed set of pages of Flink's REST API; what it found is kept for a moment."""

    def __init__(self, address: str) -> None:
        """Makes a reader of ``http://HOST:PORT``."""
        self._address = address.rstrip("/")
        self._kept: tuple[float, asyncio.Future[dict[str, Any]]] | None = None

    async def state(self) -> dict[str, Any]:
        """All jobs that have not ended.

        Raises:
            Problem: Flink does not answer.
        """
        if self._kept is None or time.monotonic() > self._kept[0]:
            future = asyncio.ensure_future(asyncio.to_thread(self._read))
            self._kept = (time.monotonic() + KEPT_S, future)
        return await asyncio.shield(self._kept[1])

    def _read(self) -> dict[str, Any]:
        jobs = [job for job in self._get("jobs/overview")["jobs"] if _ID.fullmatch(str(job["jid"]))]
        alive = [job for job in jobs if job["state"] not in ("FINISHED", "CANCELED", "FAILED")]
        return {"at_ms": time.time_ns() // 1_000_000, "jobs": [self._job(job) for job in alive]}

    def _job(self, job: dict[str, Any]) -> dict[str, Any]:
        base = f"jobs/{job['jid']}"
        vertices = [
            self._vertex(base, vertex)
            for vertex in self._get(base)["vertices"]
            if _ID.fullmatch(str(vertex["id"]))
        ]
        checkpoints = self._get(f"{base}/checkpoints")
        latest = (checkpoints.get("latest") or {}).get("completed") or {}
        lags = [vertex["lag_messages"] for vertex in vertices if vertex["lag_messages"] is not None]
        watermarks = [vertex["watermark_ms"] for vertex in vertices if vertex["watermark_ms"] is not None]
        return {
            "id": job["jid"],
            "name": job["name"],
            "state": job["state"],
            "started_ms": job["start-time"],
            "lag_messages": sum(lags) if lags else None,
            "watermark_ms": min(watermarks) if watermarks else None,
            "checkpoints": {
                "completed": checkpoints.get("counts", {}).get("completed"),
                "failed": checkpoints.get("counts", {}).get("failed"),
                "failed_lately": _failed_lately(checkpoints),
                "restored": checkpoints.get("counts", {}).get("restored"),
                "last_ms": latest.get("latest_ack_timestamp"),
                "last_duration_ms": latest.get("end_to_end_duration"),
                "last_bytes": latest.get("state_size"),
            },
            "vertices": vertices,
        }

    def _vertex(self, base: str, vertex: dict[str, Any]) -> dict[str, Any]:
        path = f"{base}/vertices/{vertex['id']}"
        rates = {
            each["id"]: each.get("sum") for each in self._get(f"{path}/subtasks/metrics?get={_RATES}&agg=sum")
        }
        marks = [int(float(each["value"])) for each in self._get(f"{path}/watermarks")]
        reached = [mark for mark in marks if mark > _NO_WATERMARK]
        return {
            "name": vertex["name"],
            "parallelism": vertex["parallelism"],
            "state": vertex["status"],
            "in_per_s": rates.get("numRecordsInPerSecond"),
            "out_per_s": rates.get("numRecordsOutPerSecond"),
            "busy_ms_per_s": rates.get("busyTimeMsPerSecond"),
            "back_pressured_ms_per_s": rates.get("backPressuredTimeMsPerSecond"),
            "watermark_ms": min(reached) if reached and len(reached) == len(marks) else None,
            "lag_messages": self._lag(path),
        }

    def _lag(self, path: str) -> int | None:
        """Messages of the streams that are not read yet, where a vertex reads streams."""
        names = [
            each["id"] for each in self._get(f"{path}/metrics") if each["id"].endswith(".pendingRecords")
        ]
        if not names:
            return None
        wanted = urllib.parse.quote(",".join(names[:MOST_METRICS]))
        values = [int(float(each["value"])) for each in self._get(f"{path}/metrics?get={wanted}")]
        return sum(value for value in values if value > 0)

    def _get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self._address}/{path}", timeout=TIMEOUT_S) as answer:
                return json.loads(answer.read(MOST_BYTES))
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise Problem("flink-unavailable", "its REST API does not answer: repeat later") from error


def _failed_lately(checkpoints: dict[str, Any]) -> int:
    """Of the last checkpoints (Flink remembers ten) those that failed.

    Flink's own count also has those that it did not begin since not all tasks ran yet, as every two seconds while a job
    starts: nothing has failed then.
    """
    return sum(each.get("status") == "FAILED" for each in checkpoints.get("history", []))
