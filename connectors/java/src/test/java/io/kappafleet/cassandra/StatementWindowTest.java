package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;

import com.datastax.oss.driver.api.core.cql.SimpleStatement;
import com.datastax.oss.driver.api.core.cql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class StatementWindowTest {
  private final List<CompletableFuture<Object>> sent = new ArrayList<>();
  private final List<Throwable> answers = new ArrayList<>();
  private final StatementWindow window =
      new StatementWindow(
          2,
          statement -> {
            sent.add(new CompletableFuture<>());
            return sent.get(sent.size() - 1);
          });

  @Test
  void statementsBeyondTheBoundWaitForAnAnswer() {
    send(window, 5);
    assertThat(sent).hasSize(2);

    sent.get(1).complete("written");
    assertThat(sent).hasSize(3);
    sent.get(0).completeExceptionally(new IllegalStateException("down"));
    sent.get(2).complete("written");
    assertThat(sent).hasSize(5);
    sent.get(3).complete("written");
    sent.get(4).complete("written");

    assertThat(answers).hasSize(5);
    assertThat(answers.get(1)).hasMessage("down");
  }

  @Test
  void answersThatAreThereAtOnceNeedNoStack() {
    StatementWindow refusing =
        new StatementWindow(
            1, statement -> CompletableFuture.failedFuture(new IllegalStateException("no node")));

    send(refusing, 100_000);

    assertThat(answers).hasSize(100_000);
  }

  @Test
  void manyThatWaitedAreSentWithoutStackWhenEachFailsAtOnce() {
    CompletableFuture<Object> first = new CompletableFuture<>();
    List<Statement<?>> seen = new ArrayList<>();
    StatementWindow failing =
        new StatementWindow(
            1,
            statement -> {
              seen.add(statement);
              if (seen.size() == 1) {
                return first;
              }
              throw new IllegalStateException("no node");
            });
    send(failing, 100_000);
    assertThat(seen).hasSize(1);

    first.complete("written");

    assertThat(answers).hasSize(100_000);
  }

  private void send(StatementWindow to, int count) {
    Statement<?> statement = SimpleStatement.newInstance("INSERT");
    for (int i = 0; i < count; i++) {
      to.send(statement, answers::add);
    }
  }
}
