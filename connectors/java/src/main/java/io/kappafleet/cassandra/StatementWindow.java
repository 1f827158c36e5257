package io.kappafleet.cassandra;

import com.datastax.oss.driver.api.core.cql.Statement;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Sends statements, a bounded number at a time; the others wait for their turn. What Cassandra is
 * overrun by are statements: how many rows each holds hardly matters to it.
 *
 * <p>Thread-safe: the task's thread sends, the driver's threads bring answers.
 */
final class StatementWindow {
  private final int maxInFlight;
  private final Function<Statement<?>, CompletionStage<?>> sender;
  private final Queue<Waiting> waiting = new ArrayDeque<>();
  private int inFlight;

  /** Set while a thread sends: an answer that is there at once must not send from within. */
  private final ThreadLocal<Boolean> sending = ThreadLocal.withInitial(() -> false);

  StatementWindow(int maxInFlight, Function<Statement<?>, CompletionStage<?>> sender) {
    this.maxInFlight = maxInFlight;
    this.sender = sender;
  }

  /**
   * Sends a statement, now or later.
   *
   * @param answered gets the failure, or null; called once, by any thread
   */
  void send(Statement<?> statement, Consumer<Throwable> answered) {
    synchronized (this) {
      waiting.add(new Waiting(statement, answered));
    }
    sendWaiting();
  }

  private void sendWaiting() {
    if (sending.get()) {
      return;
    }
    sending.set(true);
    try {
      for (Waiting next = take(); next != null; next = take()) {
        next.start();
      }
    } finally {
      sending.set(false);
    }
  }

  private synchronized Waiting take() {
    if (inFlight >= maxInFlight || waiting.isEmpty()) {
      return null;
    }
    inFlight++;
    return waiting.remove();
  }

  private synchronized void ended() {
    inFlight--;
  }

  private final class Waiting {
    private final Statement<?> statement;
    private final Consumer<Throwable> answered;

    Waiting(Statement<?> statement, Consumer<Throwable> answered) {
      this.statement = statement;
      this.answered = answered;
    }

    void start() {
      CompletionStage<?> stage;
      try {
        stage = sender.apply(statement);
      } catch (RuntimeException e) {
        stage = CompletableFuture.failedFuture(e);
      }
      stage.whenComplete(
          (result, failure) -> {
            ended();
            answered.accept(failure);
            sendWaiting();
          });
    }
  }
}
