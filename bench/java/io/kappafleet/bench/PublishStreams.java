package io.kappafleet.bench;

import io.kappafleet.shaded.stream.ConfirmationHandler;
import io.kappafleet.shaded.stream.Environment;
import io.kappafleet.shaded.stream.Message;
import io.kappafleet.shaded.stream.Producer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Publishes generated messages over the stream protocol: {@code PublishStreams host= port=
 * streams=a,b templates=FILE vehicles= messages= rate= period_ms= last_ms= sub_batch=}.
 *
 * <p>Message i is of vehicle {@code i % vehicles}, and its last sample is {@code period_ms /
 * vehicles} later than that of message i - 1, so each vehicle has a message every {@code period_ms}
 * of event time. With {@code rate=0} messages go out as fast as the broker confirms, and the last
 * one's time is {@code last_ms}. With a rate, message i goes out at {@code i / rate}, and that
 * scheduled moment is its time: what is measured from it includes the publisher's own delay.
 *
 * <p>A line of JSON a second on stdout tells how far it is; {@code done} is true in the last one.
 */
public final class PublishStreams {
  private static final int TEMPLATE_VEHICLES = 1000;

  /** At a rate, messages of so long go together: one by one each would be a chunk of its own. */
  private static final Duration LINGER = Duration.ofMillis(5);

  private static final long PACE = 1_000_000;

  private PublishStreams() {}

  public static void main(String[] args) throws Exception {
    Options options = new Options(args);
    List<Template> templates = templates(Path.of(options.text("templates")));
    int vehicles = (int) options.number("vehicles");
    long messages = options.number("messages");
    double rate = options.real("rate");
    double periodMs = options.real("period_ms");
    String[] streams = options.text("streams").split(",");
    int subBatch = (int) options.number("sub_batch");
    double intervalMs = periodMs / templates.get(0).samples;
    AtomicLong confirmed = new AtomicLong();
    AtomicLong refused = new AtomicLong();
    ConfirmationHandler confirm =
        status -> (status.isConfirmed() ? confirmed : refused).incrementAndGet();

    try (Environment environment = Broker.connect(options)) {
      List<Producer> producers = new ArrayList<>();
      for (String stream : streams) {
        producers.add(
            environment.producerBuilder().stream(stream)
                .subEntrySize(subBatch)
                .dynamicBatch(rate == 0)
                .batchPublishingDelay(LINGER)
                .maxUnconfirmedMessages(10_000)
                .build());
      }
      long firstMs =
          rate > 0
              ? System.currentTimeMillis() + 100
              : options.number("last_ms") - (long) ((messages - 1) * (periodMs / vehicles));
      double stepMs = rate > 0 ? 1000 / rate : periodMs / vehicles;
      long begin = System.nanoTime();
      long zero = begin + 100_000_000L;
      long told = begin;
      double worstLateMs = 0;
      for (long i = 0; i < messages; i++) {
        if (rate > 0) {
          long due = zero + (long) (i * 1e9 / rate);
          long early = due - System.nanoTime();
          // Rather up to a millisecond late, which counts, than a core that spins beside what is measured.
          while (early > 0) {
            LockSupport.parkNanos(Math.max(early, PACE));
            early = due - System.nanoTime();
          }
          worstLateMs = Math.max(worstLateMs, -early / 1e6);
        }
        int vehicle = (int) (i % vehicles);
        long seq = i / vehicles;
        Template template =
            templates.get(
                (int) ((seq * TEMPLATE_VEHICLES + vehicle % TEMPLATE_VEHICLES) % templates.size()));
        long lastMs = firstMs + (long) (i * stepMs);
        Producer producer = producers.get(vehicle % producers.size());
        String key = Template.key(vehicle);
        Message message =
            producer
                .messageBuilder()
                .properties()
                .contentType("application/json")
                .messageId(key + ":" + seq)
                .messageBuilder()
                .applicationProperties()
                .entry("key", key)
                .entry("event_time", lastMs)
                .messageBuilder()
                .addData(template.message(vehicle, seq, lastMs, intervalMs))
                .build();
        producer.send(message, confirm);
        long now = System.nanoTime();
        if (now - told > 1_000_000_000L) {
          told = now;
          tell(begin, i + 1, confirmed.get(), worstLateMs, firstMs, false);
          worstLateMs = 0;
        }
      }
      long limit = System.nanoTime() + 60_000_000_000L;
      while (confirmed.get() + refused.get() < messages && System.nanoTime() < limit) {
        LockSupport.parkNanos(1_000_000);
      }
      tell(begin, messages, confirmed.get(), worstLateMs, firstMs, true);
      if (confirmed.get() < messages) {
        System.err.println("not confirmed: " + (messages - confirmed.get()));
        System.exit(1);
      }
    }
  }

  private static void tell(
      long begin, long published, long confirmed, double lateMs, long firstMs, boolean done) {
    System.out.printf(
        "{\"s\":%.3f,\"published\":%d,\"confirmed\":%d,\"late_ms\":%.1f,\"first_ms\":%d,\"done\":%b}%n",
        (System.nanoTime() - begin) / 1e9, published, confirmed, lateMs, firstMs, done);
  }

  /** By turns, and in each by the number of the vehicle, so that a vehicle always drives as one. */
  private static List<Template> templates(Path file) throws IOException {
    List<Template> found = new ArrayList<>();
    try (BufferedReader lines = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        found.add(new Template(line.getBytes(StandardCharsets.UTF_8)));
      }
    }
    for (int turn = 0; turn < found.size(); turn += TEMPLATE_VEHICLES) {
      List<Template> one = found.subList(turn, turn + TEMPLATE_VEHICLES);
      one.sort(Comparator.comparingInt(template -> template.vehicle));
    }
    return found;
  }
}
