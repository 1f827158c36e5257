package io.kappafleet.rabbitmq;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import javax.annotation.Nullable;

/**
 * Chunks between the client's threads and the fetcher. Adding never blocks: credits bound what is
 * inside. Chunks of a subscription that is paused or suspended stay inside, in order.
 */
final class ChunkQueue {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Deque<ReceivedChunk> ready = new ArrayDeque<>();
  private final Map<Subscription, Deque<ReceivedChunk>> held = new HashMap<>();
  private final Set<Subscription> paused = new HashSet<>();
  private final Map<Subscription, Integer> suspensions = new HashMap<>();
  @Nullable private IOException failure;
  private boolean woken;

  void add(ReceivedChunk chunk) {
    change(() -> ready.add(chunk));
  }

  /** The next {@link #take} throws; the first failure counts. */
  void fail(IOException cause) {
    change(() -> failure = failure == null ? cause : failure);
  }

  /** The running or the next {@link #take} returns at once. */
  void wakeUp() {
    change(() -> woken = true);
  }

  /** Holds the subscription's chunks until as many {@link #release} have come. */
  void suspend(Subscription subscription) {
    change(() -> suspensions.merge(subscription, 1, Integer::sum));
  }

  void release(Subscription subscription) {
    change(
        () -> {
          suspensions.computeIfPresent(subscription, (s, count) -> count == 1 ? null : count - 1);
          giveBack(subscription);
        });
  }

  void pause(Subscription subscription) {
    change(() -> paused.add(subscription));
  }

  void resume(Subscription subscription) {
    change(
        () -> {
          paused.remove(subscription);
          giveBack(subscription);
        });
  }

  /** Forgets the subscription and what it still holds. */
  void remove(Subscription subscription) {
    change(
        () -> {
          paused.remove(subscription);
          suspensions.remove(subscription);
          held.remove(subscription);
          ready.removeIf(chunk -> chunk.subscription == subscription);
        });
  }

  /**
   * Waits for chunks, then takes as many as fit; at least one, unless woken.
   *
   * @throws IOException the failure that was reported
   */
  List<ReceivedChunk> take(int maxMessages, long maxBytes) throws IOException {
    List<ReceivedChunk> taken = new ArrayList<>(4);
    lock.lock();
    try {
      while (true) {
        if (failure != null) {
          throw failure;
        }
        drain(taken, maxMessages, maxBytes);
        if (!taken.isEmpty() || woken) {
          woken = false;
          return taken;
        }
        changed.await();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return taken;
    } finally {
      lock.unlock();
    }
  }

  private void drain(List<ReceivedChunk> taken, int maxMessages, long maxBytes) {
    int messages = 0;
    long bytes = 0;
    while (messages < maxMessages && bytes < maxBytes && !ready.isEmpty()) {
      ReceivedChunk chunk = ready.poll();
      Subscription from = chunk.subscription;
      if (from.isClosing()) {
        continue;
      }
      if (isHeld(from)) {
        held.computeIfAbsent(from, ignored -> new ArrayDeque<>()).add(chunk);
        continue;
      }
      taken.add(chunk);
      messages += chunk.count;
      bytes += chunk.bytes;
    }
  }

  private boolean isHeld(Subscription subscription) {
    return paused.contains(subscription) || suspensions.containsKey(subscription);
  }

  /** Held chunks are older than those of the same subscription that are ready. */
  private void giveBack(Subscription subscription) {
    if (isHeld(subscription)) {
      return;
    }
    Deque<ReceivedChunk> chunks = held.remove(subscription);
    if (chunks != null) {
      for (Iterator<ReceivedChunk> i = chunks.descendingIterator(); i.hasNext(); ) {
        ready.addFirst(i.next());
      }
    }
  }

  private void change(Runnable action) {
    lock.lock();
    try {
      action.run();
      changed.signal();
    } finally {
      lock.unlock();
    }
  }
}
