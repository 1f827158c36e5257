/**
 * The columnar keyed operator: messages are decoded to columns in the JVM, a job's Python function
 * sees a mini-batch of them in one call, and its per-key state is ordinary Flink state.
 *
 * <p>{@link io.kappafleet.columnar.ColumnarStreams} builds it, {@code connectors/columnar.py} is
 * its Python face and {@code connectors/columnar_runtime.py} the part that runs inside the
 * interpreter.
 */
package io.kappafleet.columnar;
