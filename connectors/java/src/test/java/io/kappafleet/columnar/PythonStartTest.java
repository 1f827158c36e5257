package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Field;
import org.junit.jupiter.api.Test;
import pemja.core.PythonInterpreter;
import pemja.core.PythonInterpreterConfig;

class PythonStartTest {
  /** What Pemja keeps of a task that was cancelled while it waited for the first start. */
  @Test
  void aTaskThatWasCancelledWhileItStartedPythonStopsNoOther() throws Exception {
    Operator.open("Recent").close();
    keep(new InterruptedException(), false);
    assertThatThrownBy(PythonStartTest::startWithoutHelp)
        .hasRootCauseInstanceOf(InterruptedException.class);

    try (Operator operator = Operator.open("Recent")) {
      operator.drive("v1", Operator.T, 1, 1);
      operator.harness.prepareSnapshotPreBarrier(1);
      assertThat(operator.rows()).hasSize(1);
    }
  }

  @Test
  void anyOtherFailureStays() throws Exception {
    Operator.open("Recent").close();
    IllegalStateException other = new IllegalStateException("no such library");
    keep(other, false);
    try {
      PythonStart.forgetInterruption();
      assertThatThrownBy(PythonStartTest::startWithoutHelp).hasRootCause(other);
    } finally {
      keep(null, true);
    }
  }

  private static void startWithoutHelp() {
    PythonInterpreterConfig config =
        PythonInterpreterConfig.newBuilder().setPythonExec(Operator.python()).build();
    new PythonInterpreter(config).close();
  }

  private static void keep(Throwable failure, boolean started) throws Exception {
    Class<?> type = Class.forName(PythonInterpreter.class.getName() + "$MainInterpreter");
    Field instance = type.getDeclaredField("instance");
    Field error = type.getDeclaredField("error");
    Field isStarted = type.getDeclaredField("isStarted");
    for (Field field : new Field[] {instance, error, isStarted}) {
      field.setAccessible(true);
    }
    error.set(instance.get(null), failure);
    isStarted.set(instance.get(null), started);
  }
}
