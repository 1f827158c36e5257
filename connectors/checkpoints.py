"""Records that wait for a checkpoint: what is sent on is never made otherwise by a job that goes on after a failure."""

from __future__ import annotations

from pyflink.datastream import DataStream
from pyflink.java_gateway import get_gateway


def held_until_checkpoint(records: DataStream, *, uid: str, name: str) -> DataStream:
    """The records, each once a checkpoint that holds it is complete, in order and with their watermarks.

    For the outputs of an operator that reads several streams, where what it makes of one depends on what has come of
    the other: after a failure they come in another order, so what a failed attempt made since the last checkpoint must
    not have been seen by anybody. In a job without checkpoints nothing waits.

    Args:
        records: what may turn out differently.
        uid: under which the records that wait are found again in a savepoint.
        name: for Flink's pages.
    """
    java = get_gateway().jvm.io.kappafleet.checkpoint.HeldUntilCheckpoint
    held = DataStream(java.of(records._j_data_stream, name))
    held._j_data_stream.uid(uid)
    return held
