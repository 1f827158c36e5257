"""What the columns mean: label, form and meaning, for people; one place for workbooks and the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """How a number is shown to people; the value is the spreadsheet's number format."""

    TEXT = "@"
    COUNT = "#,##0"
    NUMBER = "#,##0.0"
    DURATION = "[hh]:mm:ss"
    TIME = "yyyy-mm-dd hh:mm:ss"
    POSITION = "0.00000"


@dataclass(frozen=True, slots=True)
class Definition:
    """A column for people.

    Attributes:
        label: its heading, with the unit.
        form: how values are shown; durations are seconds in tables and times in spreadsheets.
        meaning: one sentence.
    """

    label: str
    form: Form
    meaning: str


_TEXT, _COUNT, _NUMBER, _DURATION, _TIME = Form.TEXT, Form.COUNT, Form.NUMBER, Form.DURATION, Form.TIME

DEFINITIONS: dict[str, Definition] = {
    "fleet_id": Definition("Fleet", _TEXT, "The fleet that the vehicle said it belongs to."),
    "driver_id": Definition(
        "Driver", _TEXT, "Who drove; unknown:VEHICLE where nobody was logged in or assigned."
    ),
    "vehicle_id": Definition("Vehicle", _TEXT, "The vehicle."),
    "vehicle_class": Definition(
        "Class", _TEXT, "The vehicle's class, which selects the thresholds of events."
    ),
    "day": Definition("Day", _TEXT, "The day, in the fleet's time zone (UTC where none is set)."),
    "start_time": Definition("Start (UTC)", _TIME, "The first sample that counts."),
    "end_time": Definition("End (UTC)", _TIME, "The last sample that counts."),
    "event_time": Definition("Time (UTC)", _TIME, "When the event began."),
    "type": Definition("Event", _TEXT, "harsh_accel, harsh_brake, harsh_corner, speeding, idling, hours_…"),
    "distance_km": Definition(
        "Distance, km", _NUMBER, "Speed times time; odometer or positions where speed is missing."
    ),
    "drive_s": Definition("Driving, h:mm:ss", _DURATION, "Time in motion."),
    "idle_s": Definition("Idling, h:mm:ss", _DURATION, "Time standing with the ignition on or unknown."),
    "stopped_s": Definition("Stopped, h:mm:ss", _DURATION, "Time standing with the ignition off."),
    "max_speed_kmh": Definition("Top speed, km/h", _NUMBER, "The highest speed of a sample."),
    "mean_speed_kmh": Definition("Mean speed, km/h", _NUMBER, "Distance divided by the time in motion."),
    "harsh_accel": Definition(
        "Harsh accelerations", _COUNT, "Accelerations at or over the class's threshold."
    ),
    "harsh_brake": Definition("Harsh brakings", _COUNT, "Decelerations at or over the class's threshold."),
    "harsh_corner": Definition("Harsh corners", _COUNT, "Lateral accelerations at or over the threshold."),
    "speeding_minor_s": Definition("Speeding, minor", _DURATION, "Time over the limit, in the lowest band."),
    "speeding_major_s": Definition("Speeding, major", _DURATION, "Time over the limit, in the middle band."),
    "speeding_severe_s": Definition(
        "Speeding, severe", _DURATION, "Time over the limit, in the highest band."
    ),
    "speed_limit_unknown_s": Definition(
        "Limit unknown", _DURATION, "Driving where no speed limit was known."
    ),
    "score": Definition("Score", _NUMBER, "100 less the penalties; empty below the least distance."),
    "score_band": Definition("Band", _TEXT, "The score's risk band."),
    "score_state": Definition("Score state", _TEXT, "ok, or insufficient_distance."),
    "penalty_events": Definition("Penalty: events", _NUMBER, "Points taken off for harsh events."),
    "penalty_speeding": Definition("Penalty: speeding", _NUMBER, "Points taken off for speeding."),
    "penalty_idle": Definition("Penalty: idling", _NUMBER, "Points taken off for idling."),
    "formula": Definition("Formula", _TEXT, "Name and version of the score's formula."),
    "params_hash": Definition("Parameters", _TEXT, "Which parameters were in force."),
    "duration_s": Definition("Duration, h:mm:ss", _DURATION, "From the event's start to its end."),
    "peak": Definition("Peak", Form.NUMBER, "The event's highest value, in the unit beside it."),
    "unit": Definition("Unit", _TEXT, "Of the peak."),
    "severity": Definition(
        "Severity", _TEXT, "low, medium or high: how far the peak is beyond the threshold."
    ),
    "speed_kmh": Definition("Speed, km/h", _NUMBER, "When the event began."),
    "lat": Definition("Latitude", Form.POSITION, "Degrees, WGS 84."),
    "lon": Definition("Longitude", Form.POSITION, "Degrees, WGS 84."),
    "n_samples": Definition("Samples", _COUNT, "How many samples the row is made of."),
    "final": Definition("Final", _TEXT, "Whether the window is closed; an open one still grows."),
    "revision": Definition("Revision", _COUNT, "How often late data corrected the row after it was final."),
    "updated_at": Definition("Updated (UTC)", _TIME, "When the row was last written."),
}


def definition(column: str) -> Definition:
    """A column's definition; an unknown one is shown as it is."""
    return DEFINITIONS.get(column, Definition(column, Form.TEXT, "See the table's description."))
