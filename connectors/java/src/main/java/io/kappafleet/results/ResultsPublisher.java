package io.kappafleet.results;

import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.apache.flink.connector.base.sink.writer.ResultHandler;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.ThreadSafeSimpleCounter;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes messages on a thread of its own, and tells a batch's handler when the broker has
 * confirmed all of it.
 *
 * <p>When a connection breaks, what was not confirmed is published again over the next one. When
 * nothing was confirmed for the settings' time though something waits, every handler is told that
 * it failed, and why.
 */
final class ResultsPublisher implements AmqpLink.Listener, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ResultsPublisher.class);
  private static final long FIRST_DELAY_MS = 100;
  private static final long LONGEST_DELAY_MS = 2_000;
  private static final long LOOK_EVERY_MS = 500;

  private final ResultsSettings settings;
  private final Counter published = new ThreadSafeSimpleCounter();
  private final Counter retries = new ThreadSafeSimpleCounter();
  private final Thread thread = new Thread(this::run, "results-publisher");
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread made = new Thread(task, "results-timer");
            made.setDaemon(true);
            return made;
          });

  // All that follows is guarded by this object's lock.
  private final Deque<Pending> waiting = new ArrayDeque<>();
  private final NavigableMap<Long, Pending> unconfirmed = new TreeMap<>();

  /** Refused by the broker, and not yet among the waiting ones again. */
  private final Set<Pending> refused = new HashSet<>();

  private AmqpLink link;
  private boolean isBroken;
  private boolean isClosed;
  private IOException failure;
  private String problem = "it confirms nothing";

  /** When something was confirmed last, or began to wait. */
  private long progressNanos = System.nanoTime();

  ResultsPublisher(ResultsSettings settings) {
    this.settings = settings;
    thread.setDaemon(true);
  }

  /**
   * Connects, again and again while the reason may pass and the settings' time lasts, and starts
   * the thread.
   *
   * @throws IOException with one line that says what is wrong and what to do
   */
  void start() throws IOException {
    long deadline = System.nanoTime() + settings.connectTimeout().toNanos();
    for (int attempt = 1; ; attempt++) {
      try {
        connect();
        break;
      } catch (IOException | RuntimeException e) {
        if (AmqpLink.isLasting(e) || System.nanoTime() - deadline > 0) {
          throw explained("cannot publish results to RabbitMQ at %s: ", e);
        }
        LOG.warn("RabbitMQ at {} not reachable yet: {}", settings.address(), said(e));
        pause(delayMs(attempt));
      }
    }
    thread.start();
    timer.scheduleWithFixedDelay(
        this::look, LOOK_EVERY_MS, LOOK_EVERY_MS, TimeUnit.MILLISECONDS);
  }

  void register(MetricGroup metrics) {
    metrics.counter("published", published);
    metrics.counter("retries", retries);
    metrics.gauge("unconfirmed", this::outstanding);
  }

  /** Publishes the messages in their order, and tells {@code handler} the outcome. */
  void send(List<ResultMessage> messages, ResultHandler<ResultMessage> handler) {
    Batch batch = new Batch(handler, messages.size());
    synchronized (this) {
      if (failure == null) {
        if (outstanding() == 0) {
          progressNanos = System.nanoTime();
        }
        for (ResultMessage message : messages) {
          waiting.add(new Pending(message, batch));
        }
        notifyAll();
        return;
      }
    }
    handler.completeExceptionally(failure);
  }

  private synchronized int outstanding() {
    return waiting.size() + unconfirmed.size() + refused.size();
  }

  private void run() {
    int failures = 0;
    while (true) {
      try {
        if (!publishUntilBroken()) {
          return;
        }
        if (failures > 0) {
          pause(delayMs(failures));
        }
        connect();
        LOG.info("publishing results to RabbitMQ at {} again", settings.address());
        failures = 0;
      } catch (IOException | RuntimeException e) {
        failures++;
        reconnectFailed(e);
      }
    }
  }

  private void reconnectFailed(Exception e) {
    synchronized (this) {
      problem = said(e);
    }
    if (AmqpLink.isLasting(e)) {
      fail(explained("cannot publish results to RabbitMQ at %s: ", e));
    } else {
      LOG.warn("no connection to RabbitMQ at {}: {}", settings.address(), said(e));
    }
  }

  private void connect() throws IOException {
    AmqpLink opened = AmqpLink.open(settings, this);
    synchronized (this) {
      if (!isClosed) {
        link = opened;
        // It may have broken before it was known here.
        isBroken = !opened.isOpen();
        return;
      }
    }
    opened.close();
  }

  /**
   * Publishes what waits until the link is broken; all that is not confirmed waits again then.
   *
   * @return false when the publisher was closed
   */
  private boolean publishUntilBroken() {
    while (true) {
      AmqpLink to;
      Pending next;
      synchronized (this) {
        while (!isClosed && !isBroken && link != null && waiting.isEmpty()) {
          try {
            wait();
          } catch (InterruptedException e) {
            return false;
          }
        }
        if (isClosed) {
          return false;
        }
        if (isBroken || link == null) {
          takeBack();
          return true;
        }
        to = link;
        next = waiting.remove();
        unconfirmed.put(to.nextNumber(), next);
      }
      try {
        to.publish(next.message);
      } catch (IOException | ShutdownSignalException e) {
        synchronized (this) {
          isBroken = true;
          problem = said(e);
        }
      }
    }
  }

  private void takeBack() {
    retries.inc(unconfirmed.size());
    unconfirmed.descendingMap().values().forEach(waiting::addFirst);
    unconfirmed.clear();
    if (link != null) {
      link.cut();
    }
    link = null;
    isBroken = false;
  }

  @Override
  public void confirmed(AmqpLink from, long number, boolean andBefore) {
    List<Batch> done = new ArrayList<>();
    synchronized (this) {
      if (from != link) {
        return;
      }
      progressNanos = System.nanoTime();
      for (Pending each : taken(number, andBefore)) {
        published.inc();
        if (--each.batch.open == 0) {
          done.add(each.batch);
        }
      }
    }
    done.forEach(batch -> batch.handler.complete());
  }

  @Override
  public void refused(AmqpLink from, long number, boolean andBefore) {
    long now = System.nanoTime();
    boolean tooLong = false;
    synchronized (this) {
      if (from != link) {
        return;
      }
      for (Pending each : taken(number, andBefore)) {
        each.refusals++;
        if (each.refusals == 1) {
          each.refusedSince = now;
        }
        tooLong |= now - each.refusedSince > settings.retryTimeout().toNanos();
        refused.add(each);
        retries.inc();
        if (!timer.isShutdown()) {
          timer.schedule(() -> waitAgain(each), delayMs(each.refusals), TimeUnit.MILLISECONDS);
        }
      }
      problem = "a queue refuses messages: one that is full and rejects, or one that is down";
    }
    if (tooLong) {
      fail(givenUp());
    }
  }

  private synchronized void waitAgain(Pending message) {
    if (refused.remove(message)) {
      waiting.add(message);
      notifyAll();
    }
  }

  /** What a confirm or a refusal is about; no longer unconfirmed. */
  private List<Pending> taken(long number, boolean andBefore) {
    if (!andBefore) {
      Pending one = unconfirmed.remove(number);
      return one == null ? List.of() : List.of(one);
    }
    Collection<Pending> all = unconfirmed.headMap(number, true).values();
    List<Pending> taken = List.copyOf(all);
    all.clear();
    return taken;
  }

  @Override
  public synchronized void broken(AmqpLink of, ShutdownSignalException cause) {
    if (of == link) {
      isBroken = true;
      problem = said(cause);
      notifyAll();
    }
  }

  /** Gives up when nothing was confirmed for too long. */
  private void look() {
    IOException given = null;
    synchronized (this) {
      long silent = System.nanoTime() - progressNanos;
      if (outstanding() > 0 && silent > settings.retryTimeout().toNanos()) {
        given = givenUp();
      }
    }
    if (given != null) {
      fail(given);
    }
  }

  private synchronized IOException givenUp() {
    String blocked = link == null ? null : link.blocked();
    return new IOException(
        "no result was confirmed by RabbitMQ at %s for %d s: %s. Check the broker; the job goes on from its last checkpoint when it is restarted."
            .formatted(
                settings.address(),
                settings.retryTimeout().toSeconds(),
                blocked == null ? problem : "it takes no messages, because of: " + blocked));
  }

  private void fail(IOException reason) {
    Set<Batch> open = new HashSet<>();
    synchronized (this) {
      if (failure != null) {
        return;
      }
      failure = reason;
      isClosed = true;
      waiting.forEach(each -> open.add(each.batch));
      unconfirmed.values().forEach(each -> open.add(each.batch));
      refused.forEach(each -> open.add(each.batch));
      if (link != null) {
        link.cut();
      }
      notifyAll();
    }
    open.forEach(batch -> batch.handler.completeExceptionally(reason));
  }

  @Override
  public void close() {
    AmqpLink last;
    synchronized (this) {
      isClosed = true;
      last = link;
      link = null;
      notifyAll();
    }
    timer.shutdownNow();
    if (last != null) {
      last.close();
    }
  }

  private IOException explained(String what, Exception failure) {
    IOException explained = new IOException(what.formatted(settings.address()) + said(failure));
    // Not as the cause: commands and Flink's pages show the innermost one, which advises nothing.
    explained.addSuppressed(failure);
    return explained;
  }

  private String said(Throwable failure) {
    return AmqpLink.explain(failure, settings.exchange());
  }

  /** Doubling up to two seconds, and a random half of it less, so that writers come apart. */
  private static long delayMs(int attempt) {
    long full = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS << Math.min(attempt - 1, 16));
    return full - ThreadLocalRandom.current().nextLong(full / 2 + 1);
  }

  private synchronized void pause(long ms) throws IOException {
    long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
    try {
      for (long left = ms;
          left > 0 && !isClosed;
          left = TimeUnit.NANOSECONDS.toMillis(until - System.nanoTime())) {
        wait(left);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while connecting to RabbitMQ", e);
    }
  }

  /** Messages that are confirmed together. */
  private static final class Batch {
    private final ResultHandler<ResultMessage> handler;
    private int open;

    Batch(ResultHandler<ResultMessage> handler, int open) {
      this.handler = handler;
      this.open = open;
    }
  }

  /** A message that is not confirmed yet. */
  private static final class Pending {
    private final ResultMessage message;
    private final Batch batch;
    private int refusals;
    private long refusedSince;

    Pending(ResultMessage message, Batch batch) {
      this.message = message;
      this.batch = batch;
    }
  }
}
