package io.kappafleet.columnar;

import java.lang.reflect.Field;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import pemja.core.PythonInterpreter;

/**
 * Lets Python start in a process where a task was cancelled while it started Python.
 *
 * <p>Pemja 0.5 keeps the first failure to start its main interpreter for ever, be it only that the
 * task that waited for it was interrupted: each later task of the TaskManager then fails with that
 * {@code InterruptedException}, though the interpreter has long been up. A broker that comes up a
 * second after a restored job is enough for it.
 */
final class PythonStart {
  private static final Logger LOG = LoggerFactory.getLogger(PythonStart.class);

  private PythonStart() {}

  /** Forgets an interruption; any other failure stays. */
  static void forgetInterruption() {
    try {
      Class<?> type =
          Class.forName(
              PythonInterpreter.class.getName() + "$MainInterpreter",
              true,
              PythonInterpreter.class.getClassLoader());
      Object main = field(type, "instance").get(null);
      Field error = field(type, "error");
      synchronized (main) { // as its own start does
        if (error.get(main) instanceof InterruptedException) {
          LOG.warn("a task was cancelled while it started Python; Python is started again");
          error.set(main, null);
        }
      }
    } catch (ReflectiveOperationException e) {
      // Another version of Pemja: then there is nothing to be mended here.
      LOG.debug("Pemja has no main interpreter of the known form", e);
    }
  }

  private static Field field(Class<?> type, String name) throws NoSuchFieldException {
    Field field = type.getDeclaredField(name);
    field.setAccessible(true);
    return field;
  }
}
