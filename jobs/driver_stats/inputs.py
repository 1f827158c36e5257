"""What a message of driver_stats must look like: the schema and the settings as the operator's decoder reads them."""

from __future__ import annotations

from connectors.columnar import MessageSpec, NumberField, SampleField
from jobs.driver_stats.settings import Settings
from schemas.messages import message

SCHEMA = "telemetry/1"


def message_spec(settings: Settings) -> MessageSpec:
    """The messages that are accepted."""
    declared = message(SCHEMA)

    def bounds(field: object) -> dict[str, float]:
        found = {"min": getattr(field, "minimum", None), "max": getattr(field, "maximum", None)}
        return {name: float(value) for name, value in found.items() if value is not None}

    return MessageSpec(
        schema_id=declared.schema_id,
        id_field=declared.id_field,
        texts=declared.texts,
        integers=declared.integers,
        numbers=tuple(NumberField(field.name, **bounds(field)) for field in declared.numbers),
        samples=(
            *(SampleField(field.name, "number", **bounds(field)) for field in declared.number_samples),
            *(SampleField(name, "boolean") for name in declared.boolean_samples),
        ),
        max_id_bytes=declared.max_id_bytes,
        max_message_bytes=settings.message.max_bytes,
        max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
        allowed_lateness_ms=round(settings.window.allowed_lateness_s * 1000),
    )
