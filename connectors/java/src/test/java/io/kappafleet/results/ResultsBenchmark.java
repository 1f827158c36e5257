package io.kappafleet.results;

import io.kappafleet.rabbitmq.BrokerAddress;
import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Semaphore;
import org.apache.flink.connector.base.sink.writer.ResultHandler;

/**
 * What publishing a row costs: {@code ResultsBenchmark HOST AMQP_PORT EXCHANGE TABLES.json TABLE ID ROWS ROUNDS}.
 *
 * <p>TABLES.json holds tables as {@link TableSpec#parse} reads them; rows have a value in every
 * column. Encodes rows without publishing them, then publishes as many in batches of 64 with at most
 * 1,024 unconfirmed. Prints microseconds of processor time a row, by thread.
 */
final class ResultsBenchmark {
  private static final int BATCH = 64;
  private static final int UNCONFIRMED = 1_024;

  private ResultsBenchmark() {}

  public static void main(String[] args) throws Exception {
    List<TableSpec> tables = TableSpec.parse(Files.readString(Path.of(args[3])));
    TableSpec table =
        tables.stream().filter(each -> each.name().equals(args[4])).findFirst().orElseThrow();
    ResultEncoder encoder = new ResultEncoder(table, new ResultRoute(args[4], "", args[5]));
    int rows = Integer.parseInt(args[6]);
    ResultsSettings settings =
        new ResultsSettings(
            new BrokerAddress(args[0], Integer.parseInt(args[1]), null, null, null, null, false),
            args[2],
            "benchmark",
            UNCONFIRMED,
            Duration.ofSeconds(10),
            Duration.ofSeconds(60));
    ResultsPublisher publisher = new ResultsPublisher(settings);
    publisher.start();
    for (int round = 0; round < Integer.parseInt(args[7]); round++) {
      long before = cpu();
      long bytes = 0;
      for (int i = 0; i < rows; i++) {
        bytes += encoder.encode(frame(table, i)).body().length;
      }
      System.out.printf(
          "%s: %d columns, %d bytes of JSON; frame and encoding %.2f us/row%n",
          table.name(), table.columns().size(), bytes / rows, (cpu() - before) / 1e3 / rows);
      publish(publisher, encoder, table, rows);
    }
    publisher.close();
  }

  private static void publish(
      ResultsPublisher publisher, ResultEncoder encoder, TableSpec table, int rows)
      throws Exception {
    Map<String, Long> before = byThread();
    long begun = System.nanoTime();
    Semaphore room = new Semaphore(UNCONFIRMED / BATCH);
    List<ResultMessage> batch = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      batch.add(encoder.encode(frame(table, i)));
      if (batch.size() == BATCH || i == rows - 1) {
        room.acquire();
        publisher.send(batch, releasing(room));
        batch = new ArrayList<>();
      }
    }
    room.acquire(UNCONFIRMED / BATCH);
    double seconds = (System.nanoTime() - begun) / 1e9;
    StringBuilder line =
        new StringBuilder("published %.0f rows/s; us/row:".formatted(rows / seconds));
    byThread()
        .forEach(
            (name, cpu) -> {
              double micros = (cpu - before.getOrDefault(name, 0L)) / 1e3 / rows;
              if (micros > 0.05) {
                line.append(" %s %.2f".formatted(name, micros));
              }
            });
    System.out.println(line);
  }

  private static ResultHandler<ResultMessage> releasing(Semaphore room) {
    return new ResultHandler<>() {
      @Override
      public void complete() {
        room.release();
      }

      @Override
      public void completeExceptionally(Exception e) {
        e.printStackTrace();
        System.exit(1);
      }

      @Override
      public void retryForEntries(List<ResultMessage> requestEntriesToRetry) {
        throw new IllegalStateException("the publisher repeats by itself");
      }
    };
  }

  private static final RowFrame.Writer WRITER = new RowFrame.Writer();

  private static byte[] frame(TableSpec table, int number) {
    WRITER.begin(0, 1_763_701_200_000_000L + number);
    for (TableSpec.Column column : table.columns()) {
      switch (column.type()) {
        case "text" -> WRITER.putText("value-" + number % 1000);
        case "int" -> WRITER.putInt(number % 100);
        case "bigint" -> WRITER.putLong(number);
        case "timestamp" -> WRITER.putLong(1_763_701_200_000L + number);
        case "double" -> WRITER.putDouble(number / 7.0);
        case "boolean" -> WRITER.putBoolean(number % 2 == 0);
        default -> WRITER.unset();
      }
    }
    return WRITER.end();
  }

  private static long cpu() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  private static Map<String, Long> byThread() {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    Map<String, Long> found = new TreeMap<>();
    for (long id : threads.getAllThreadIds()) {
      var info = threads.getThreadInfo(id);
      if (info != null) {
        found.merge(info.getThreadName(), threads.getThreadCpuTime(id), Long::sum);
      }
    }
    return found;
  }
}
