package io.kappafleet.bench;

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The bare Java driver as the reference for writing: {@code WriteTable host= port= keyspace= rows=
 * in_flight=}. Prepared upserts of {@link LiveRow}s, so many in flight, no Flink.
 */
public final class WriteTable {
  private WriteTable() {}

  public static void main(String[] args) throws Exception {
    Options options = new Options(args);
    long rows = options.number("rows");
    int inFlight = (int) options.number("in_flight");
    InetSocketAddress node =
        new InetSocketAddress(options.text("host"), (int) options.number("port"));
    Semaphore free = new Semaphore(inFlight);
    AtomicReference<Throwable> failure = new AtomicReference<>();
    try (CqlSession session =
        CqlSession.builder()
            .addContactPoint(node)
            .withLocalDatacenter("datacenter1")
            .withKeyspace(options.text("keyspace"))
            .build()) {
      PreparedStatement upsert =
          session.prepare(
              "INSERT INTO vehicle_live ("
                  + LiveRow.COLUMNS
                  + ") VALUES (?,?,?,?,?,?,?,?,?,?,?) USING TIMESTAMP ?");
      long quarter = 0;
      Instant start = Instant.ofEpochMilli(LiveRow.startMs());
      for (long i = 0; i < rows; i++) {
        if (i == rows / 4) {
          quarter = System.nanoTime();
        }
        LiveRow row = new LiveRow(i);
        Instant time = Instant.ofEpochMilli(row.eventMs);
        free.acquire();
        session
            .executeAsync(
                upsert.bind(
                    row.fleet,
                    row.vehicle,
                    time,
                    row.driver,
                    "driving",
                    start,
                    row.lat,
                    row.lon,
                    row.speed,
                    row.speed,
                    time,
                    row.eventMs * 1000))
            .whenComplete(
                (done, error) -> {
                  if (error != null) {
                    failure.compareAndSet(null, error);
                  }
                  free.release();
                });
      }
      free.acquire(inFlight);
      if (failure.get() != null) {
        throw new IllegalStateException("an upsert failed", failure.get());
      }
      System.out.printf(
          "{\"rows\":%d,\"steady_s\":%.3f}%n", rows, (System.nanoTime() - quarter) / 1e9);
    }
  }
}
