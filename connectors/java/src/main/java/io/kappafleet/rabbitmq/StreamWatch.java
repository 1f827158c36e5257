package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Environment;
import com.rabbitmq.stream.StreamDoesNotExistException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at the ends of streams from a thread of its own, beside the reading: decides range checks,
 * measures the lag, and finds out which streams are quiet and read to their end, and whether the
 * broker still lets us in.
 */
final class StreamWatch implements Subscription.RangeCheck {
  private static final Logger LOG = LoggerFactory.getLogger(StreamWatch.class);
  private static final int CHECK_ATTEMPTS = 3;

  /** The client tries to replace a lost link for ever, whatever the broker answers. */
  private static final long DOUBT_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final StreamsSettings settings;
  private final ChunkQueue queue;
  private final Listener listener;
  private final OffsetProbe probe;
  private final Map<Subscription, Observation> observed = new ConcurrentHashMap<>();
  private final ScheduledExecutorService thread;
  private long askedNanos = System.nanoTime();

  /** The reader of the streams; called from the watch's thread. */
  interface Listener {
    /** The last offset of a stream at this moment, -1 for an empty one. */
    void endOffset(String stream, long offset);

    /** Nothing was received for the idle time, and all that the stream holds was received. */
    void quietEnd(String stream, long offset, long atMs);
  }

  StreamWatch(
      StreamsSettings settings, Environment environment, ChunkQueue queue, Listener listener) {
    this.settings = settings;
    this.queue = queue;
    this.listener = listener;
    probe = new OffsetProbe(environment);
    thread =
        Executors.newSingleThreadScheduledExecutor(
            task -> {
              Thread created = new Thread(task, "rabbitmq-streams-watch");
              created.setDaemon(true);
              return created;
            });
    long tickMs = settings.tickMs();
    thread.scheduleWithFixedDelay(this::tick, tickMs, tickMs, TimeUnit.MILLISECONDS);
  }

  void add(Subscription subscription) {
    observed.put(subscription, new Observation(subscription.receivedEnd()));
  }

  void remove(Subscription subscription) {
    observed.remove(subscription);
  }

  void close() {
    thread.shutdownNow();
  }

  @Override
  public void request(Subscription subscription, long needed) {
    requestRangeCheck(subscription, needed);
  }

  /** Releases the subscription when {@code first <= needed <= last + 1}, else fails the fetcher. */
  void requestRangeCheck(Subscription subscription, long needed) {
    try {
      thread.execute(() -> checkRange(subscription, needed, 1));
    } catch (RejectedExecutionException e) {
      LOG.debug("closed: nobody waits for the check of {}", subscription.stream());
    }
  }

  private void checkRange(Subscription subscription, long needed, int attempt) {
    if (subscription.isClosing()) {
      return;
    }
    String stream = subscription.stream();
    try {
      StreamRange range = probe.range(stream, OffsetProbe.CAREFUL);
      if (range.isEmpty() && attempt < CHECK_ATTEMPTS) {
        // Silence is no proof where the broker can't be asked: a job must not end over a slow one.
        retry(subscription, needed, attempt + 1);
      } else if (!range.isEmpty() && range.first() > needed) {
        queue.fail(OffsetsLostException.removedByRetention(stream, range.first(), needed));
      } else if (needed > range.last() + 1) {
        queue.fail(OffsetsLostException.beyondTheEnd(stream, range.last(), needed));
      } else {
        queue.release(subscription);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (StreamDoesNotExistException e) {
      queue.fail(new IOException("stream " + stream + " does not exist any more", e));
    } catch (IOException | RuntimeException e) {
      // The link is down again: the check stays open until the broker answers.
      LOG.info("stream {}: the range check will be repeated: {}", stream, e.toString());
      retry(subscription, needed, attempt);
    }
  }

  private void retry(Subscription subscription, long needed, int attempt) {
    try {
      thread.schedule(() -> checkRange(subscription, needed, attempt), 500, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      LOG.debug("closed: nobody waits for the check of {}", subscription.stream());
    }
  }

  private void tick() {
    try {
      long now = System.nanoTime();
      if (now - askedNanos >= DOUBT_NANOS
          && observed.keySet().stream().anyMatch(each -> each.isCutFor(DOUBT_NANOS, now))) {
        askWhetherWeAreRefused();
        askedNanos = System.nanoTime();
      } else {
        look(now);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException | RuntimeException e) {
      // A broker that is away is no news here: the consumers recover or fail the job themselves.
      LOG.debug("no look at the streams' ends this time", e);
    }
  }

  /** A broker that is away is waited for; one that is there and refuses fails the fetcher. */
  private void askWhetherWeAreRefused() {
    try {
      settings.broker().connect().close();
    } catch (ConnectProblem e) {
      if (e.isLasting()) {
        queue.fail(e);
      }
    }
  }

  private void look(long now) throws IOException, InterruptedException {
    Set<String> due = new HashSet<>();
    List<Subscription> quiet = new ArrayList<>();
    for (Map.Entry<Subscription, Observation> entry : observed.entrySet()) {
      Observation seen = entry.getValue();
      long end = entry.getKey().receivedEnd();
      if (end != seen.receivedEnd) {
        seen.receivedEnd = end;
        seen.changedNanos = now;
      }
      boolean isQuiet = now - seen.changedNanos >= settings.idleMs() * 1_000_000;
      if (isQuiet) {
        quiet.add(entry.getKey());
      }
      if (isQuiet || now - seen.lookedNanos >= settings.lagIntervalMs() * 1_000_000) {
        seen.lookedNanos = now;
        due.add(entry.getKey().stream());
      }
    }
    if (due.isEmpty()) {
      return;
    }
    // Asked before, so that what arrives during the look is later than the confirmed time.
    long atMs = System.currentTimeMillis();
    Map<String, Long> ends = probe.lastOffsets(due, OffsetProbe.QUICK);
    ends.forEach(
        (stream, last) -> {
          if (last >= 0) {
            listener.endOffset(stream, last);
          }
        });
    for (Subscription subscription : quiet) {
      long last = ends.get(subscription.stream());
      long received = subscription.receivedEnd();
      // Silence says empty only of a stream that never delivered anything.
      if (last < received && (last >= 0 || received == 0)) {
        listener.quietEnd(subscription.stream(), last, atMs);
      }
    }
  }

  /** What the watch remembers of one stream; used by its thread only, once made. */
  private static final class Observation {
    private long receivedEnd;
    private long changedNanos = System.nanoTime();
    private long lookedNanos = changedNanos;

    private Observation(long receivedEnd) {
      this.receivedEnd = receivedEnd;
    }
  }
}
