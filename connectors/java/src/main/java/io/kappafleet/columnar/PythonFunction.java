package io.kappafleet.columnar;

import java.util.List;
import pemja.core.PythonInterpreter;

/**
 * The job's function inside the embedded interpreter, behind {@code connectors.columnar_runtime}.
 *
 * <p>Python never raises through the bridge, which would lose the traceback: a call that fails
 * returns the traceback as text.
 */
final class PythonFunction {
  private static final String OBJECT = "_columnar_runtime";

  private final PythonInterpreter interpreter;
  private final String name;
  private KeyStore store;

  /**
   * Imports and opens the function.
   *
   * @throws IllegalStateException with Python's traceback
   */
  PythonFunction(PythonInterpreter interpreter, ColumnarSpec spec, String specJson, int subtask) {
    this.interpreter = interpreter;
    name = spec.module() + "." + spec.className();
    interpreter.set("_columnar_spec", specJson);
    interpreter.set("_columnar_subtask", (long) subtask);
    interpreter.exec(
        """
        try:
            from connectors.columnar_runtime import Runtime as _Runtime
            _columnar_runtime = _Runtime(_columnar_spec, _columnar_subtask)
            _columnar_error = ""
        except BaseException:
            import sys as _sys, traceback as _traceback
            _columnar_error = _traceback.format_exc() + f"sys.path = {_sys.path}"
        """);
    String error = interpreter.get("_columnar_error", String.class);
    if (!error.isEmpty()) {
      throw new IllegalStateException(
          "the columnar function " + name + " cannot be opened in the interpreter:\n" + error);
    }
  }

  FunctionLayout layout() {
    return FunctionLayout.parse((String) interpreter.invokeMethod(OBJECT, "describe"));
  }

  void attach(long address, int size) {
    interpreter.invokeMethod(OBJECT, "attach", address, (long) size);
  }

  /** Gives the function the state that it reads and writes itself. */
  void use(KeyStore given) {
    store = given;
    interpreter.invokeMethod(OBJECT, "use", given);
  }

  /**
   * @param keys the keys of the call
   */
  FunctionResult batch(List<String> keys) {
    return call("batch", keys);
  }

  FunctionResult timers(List<String> keys) {
    return call("timers", keys);
  }

  private FunctionResult call(String method, List<String> keys) {
    if (store == null) {
      return result(interpreter.invokeMethod(OBJECT, method));
    }
    store.begin(keys);
    Object answer = interpreter.invokeMethod(OBJECT, method);
    store.end();
    if (store.failure() != null) {
      String traceback = answer instanceof String text ? ":\n" + text : "";
      throw new IllegalStateException(
          "the columnar function " + name + " cannot use its store" + traceback, store.failure());
    }
    return result(answer);
  }

  /** A state row of an older version in the current layout. */
  byte[] upgrade(int version, byte[] row) {
    Object result = interpreter.invokeMethod(OBJECT, "upgrade", (long) version, row);
    if (result instanceof String traceback) {
      throw failure(traceback);
    }
    return (byte[]) result;
  }

  /** Gives the function rows of reference data; returns what it says of them, as JSON. */
  byte[] refer(byte[] frames) {
    Object result = interpreter.invokeMethod(OBJECT, "refer", frames);
    if (result instanceof String traceback) {
      throw failure(traceback);
    }
    return (byte[]) result;
  }

  void close() {
    interpreter.invokeMethod(OBJECT, "close");
  }

  private FunctionResult result(Object result) {
    if (result instanceof String traceback) {
      throw failure(traceback);
    }
    return new FunctionResult((Object[]) result);
  }

  private IllegalStateException failure(String traceback) {
    return new IllegalStateException("the columnar function " + name + " failed:\n" + traceback);
  }
}
