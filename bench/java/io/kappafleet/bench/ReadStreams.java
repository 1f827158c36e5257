package io.kappafleet.bench;

import io.kappafleet.shaded.stream.ConsumerFlowStrategy;
import io.kappafleet.shaded.stream.Environment;
import io.kappafleet.shaded.stream.MessageHandler;
import io.kappafleet.shaded.stream.OffsetSpecification;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The bare stream client as the reference for reading: {@code ReadStreams host= port= streams=a,b
 * messages=}. Reads so many messages from the streams' first ones on, and throws them away.
 */
public final class ReadStreams {
  private static final int CREDITS = 10;

  private ReadStreams() {}

  public static void main(String[] args) throws Exception {
    Options options = new Options(args);
    long wanted = options.number("messages");
    AtomicLong chunks = new AtomicLong();
    AtomicLong bytes = new AtomicLong();
    AtomicLong read = new AtomicLong();
    AtomicLong first = new AtomicLong();
    AtomicLong half = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);
    ConsumerFlowStrategy flow =
        new ConsumerFlowStrategy() {
          @Override
          public int initialCredits() {
            return CREDITS;
          }

          @Override
          public MessageProcessedCallback start(Context context) {
            chunks.incrementAndGet();
            context.credits(1);
            return message -> {};
          }
        };
    MessageHandler handler =
        (context, message) -> {
          bytes.addAndGet(message.getBodyAsBinary().length);
          long n = read.incrementAndGet();
          if (n == 1) {
            first.set(System.nanoTime());
          }
          if (n == wanted / 2) {
            half.set(System.nanoTime());
          }
          if (n == wanted) {
            done.countDown();
          }
        };
    try (Environment environment = Broker.connect(options)) {
      for (String stream : options.text("streams").split(",")) {
        environment.consumerBuilder().stream(stream)
            .offset(OffsetSpecification.first())
            .noTrackingStrategy()
            .flow()
            .strategy(flow)
            .builder()
            .messageHandler(handler)
            .build();
      }
      if (!done.await(600, TimeUnit.SECONDS)) {
        System.err.println("read only " + read.get() + " of " + wanted + " messages");
        System.exit(1);
      }
      long end = System.nanoTime();
      System.out.printf(
          "{\"messages\":%d,\"bytes\":%d,\"chunks\":%d,\"s\":%.3f,\"second_half_s\":%.3f}%n",
          wanted, bytes.get(), chunks.get(), (end - first.get()) / 1e9, (end - half.get()) / 1e9);
    }
  }
}
