"""Reference data of a job as inputs of its columnar operator, whatever the job's log is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyflink.datastream import DataStream

from connectors.columnar import ReferenceInput
from connectors.ends import LogSource
from connectors.keyed import of_schema
from schemas.references import Reference


def reference_inputs(
    source: LogSource,
    records: DataStream,
    records_of: Callable[[LogSource], DataStream],
    references: Iterable[Reference],
) -> tuple[DataStream, list[ReferenceInput]]:
    """Finds the messages of each reference: in a log of its name beside the job's, or among the records.

    Args:
        source: of the job's records.
        records: those of ``source``.
        records_of: makes the records of another source.
        references: what is read; with none, nothing changes.

    Returns:
        The records that are no reference data, and the inputs.
    """
    found = []
    for each in references:
        beside = source.beside(each.name)
        if beside is None:
            own, stored = of_schema(records, each.schema), source.stored(each.schema)
            records = of_schema(records, each.schema, others=True)
        else:
            own, stored = records_of(beside), beside.stored(each.schema)
        found.append(ReferenceInput(each.name, own, stored))
    return records, found
