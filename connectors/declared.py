"""The messages that a schema of ``schemas/`` declares, as the operator's decoder reads them."""

from __future__ import annotations

from connectors.columnar import MessageSpec, NumberField, SampleField
from schemas.messages import Message
from schemas.messages import NumberField as DeclaredNumber


def declared_messages(
    declared: Message, *, max_bytes: int, max_ahead_s: float, allowed_lateness_s: float
) -> MessageSpec:
    """The specification of the messages of one schema.

    Args:
        declared: what the schema says.
        max_bytes: a larger message is refused.
        max_ahead_s: how far an event time may be ahead of the arrival.
        allowed_lateness_s: how far it may be behind it; 0 is without limit.
    """
    return MessageSpec(
        schema_id=declared.schema_id,
        id_field=declared.id_field,
        texts=declared.texts,
        integers=declared.integers,
        numbers=tuple(NumberField(field.name, **_bounds(field)) for field in declared.numbers),
        samples=(
            *(SampleField(field.name, "number", **_bounds(field)) for field in declared.number_samples),
            *(SampleField(name, "boolean") for name in declared.boolean_samples),
        ),
        max_id_bytes=declared.max_id_bytes,
        max_message_bytes=max_bytes,
        max_ahead_ms=round(max_ahead_s * 1000),
        allowed_lateness_ms=round(allowed_lateness_s * 1000),
    )


def _bounds(field: DeclaredNumber) -> dict[str, float]:
    found = {"min": field.minimum, "max": field.maximum}
    return {name: float(value) for name, value in found.items() if value is not None}
