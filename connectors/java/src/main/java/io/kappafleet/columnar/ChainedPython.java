package io.kappafleet.columnar;

import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.SimpleOperatorFactory;
import org.apache.flink.streaming.api.operators.StreamOperatorFactory;
import org.apache.flink.streaming.api.operators.python.embedded.AbstractEmbeddedPythonFunctionOperator;

/**
 * Refuses a chain in which another operator runs Python in the columnar operator's thread.
 *
 * <p>Each operator has a thread state of its own in the interpreter, and CPython's {@code
 * PyGILState_Ensure}, which Numba calls whenever an array is released, knows only one for a thread:
 * with a second one it waits for a lock that its own thread holds, for ever.
 */
final class ChainedPython {
  private ChainedPython() {}

  /**
   * @throws SuppressRestartsException naming the operator, when there is one
   */
  static void refuse(StreamConfig head, ClassLoader classLoader) {
    for (StreamConfig chained :
        head.getTransitiveChainedTaskConfigsWithSelf(classLoader).values()) {
      StreamOperatorFactory<?> factory = chained.getStreamOperatorFactory(classLoader);
      if (factory instanceof SimpleOperatorFactory<?> simple
          && simple.getOperator() instanceof AbstractEmbeddedPythonFunctionOperator<?> operator
          && !(operator instanceof ColumnarOperator)) {
        throw new SuppressRestartsException(
            new IllegalStateException(
                "the Python function '"
                    + chained.getOperatorName()
                    + "' is chained to the columnar operator, and would stop it for ever: call"
                    + " disable_chaining() on it, or key the stream with"
                    + " connectors.keyed.keyed()"));
      }
    }
  }
}
