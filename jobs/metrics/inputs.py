"""What a message must look like: the definition as the operator's decoder reads it."""

from __future__ import annotations

from connectors.columnar import MessageSpec, SampleField
from jobs.metrics.settings import Settings
from schemas.messages import Message, NumberField


def message_spec(settings: Settings) -> MessageSpec:
    """The messages that are accepted."""
    metric = settings.metric
    return MessageSpec(
        schema_id=metric.schema_id,
        id_field=metric.key,
        integers=(metric.seq,) if metric.seq else (),
        samples=tuple(
            SampleField(name, "boolean")
            if field.type == "boolean"
            else SampleField(name, "number", field.min, field.max)
            for name, field in metric.fields.items()
        ),
        max_message_bytes=settings.message.max_bytes,
        max_ahead_ms=round(settings.clock.max_ahead_s * 1000),
        allowed_lateness_ms=round(settings.window.allowed_lateness_s * 1000),
    )


def message(settings: Settings) -> Message:
    """The same as ``connectors.in_memory`` takes it."""
    spec = message_spec(settings)
    return Message(
        spec.schema_id,
        spec.id_field,
        spec.max_id_bytes,
        texts=(),
        integers=spec.integers,
        numbers=(),
        number_samples=tuple(NumberField(f.name, f.min, f.max) for f in spec.samples if f.kind == "number"),
        boolean_samples=tuple(f.name for f in spec.samples if f.kind == "boolean"),
    )
