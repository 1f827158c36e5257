package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.ConsumerFlowStrategy;
import java.util.ArrayList;
import java.util.List;
import javax.annotation.Nullable;

/**
 * The undecoded messages of one chunk on their way from the client's thread to the task's. They lie
 * one behind the other in arrays of a pool: nothing is allocated per message, and whoever reads
 * them goes through memory in order.
 */
final class ReceivedChunk {
  final Subscription subscription;
  int count;
  long bytes;

  @Nullable private final ConsumerFlowStrategy.Context context;
  private final int generation;
  private final SegmentPool pool;
  private final List<Segment> segments = new ArrayList<>(4);
  private final long[] offsets;
  private final int[] lengths;
  private long arrivalMs;
  private int left;

  // Of the reading.
  private int next;
  private int nextSegment;
  private int position;

  /**
   * @param context null for messages that came without their chunk's beginning
   * @param generation which link of the subscription it came over
   */
  ReceivedChunk(
      Subscription subscription,
      @Nullable ConsumerFlowStrategy.Context context,
      int capacity,
      int generation,
      SegmentPool pool) {
    this.subscription = subscription;
    this.context = context;
    this.generation = generation;
    this.pool = pool;
    offsets = new long[capacity];
    lengths = new int[capacity];
    left = capacity;
  }

  int generation() {
    return generation;
  }

  /**
   * @param arrivalMs the same for all messages of a chunk
   */
  void add(MessageBytes message, long offset, long arrivalMs) {
    Segment segment = segments.isEmpty() ? null : segments.get(segments.size() - 1);
    if (segment == null || segment.array.length - segment.used < message.length) {
      segment = new Segment(pool.take(message.length, (long) message.length * left));
      segments.add(segment);
    }
    message.copyTo(segment.array, segment.used);
    segment.used += message.length;
    segment.end = count + 1;
    offsets[count] = offset;
    lengths[count] = message.length;
    this.arrivalMs = arrivalMs;
    count++;
    bytes += message.length;
  }

  /** Counts one message of the chunk, wanted or not; true for its last one. */
  boolean countDown() {
    return --left == 0;
  }

  long firstOffset() {
    return context == null ? offsets[0] : context.chunkId();
  }

  /** The offset of the last message that was added; there must be one. */
  long lastOffset() {
    return offsets[count - 1];
  }

  /** Fills in the next message; false when there is none any more. */
  boolean next(StoredMessage message) {
    if (next == count) {
      return false;
    }
    if (next == segments.get(nextSegment).end) {
      nextSegment++;
      position = 0;
    }
    message.bytes = segments.get(nextSegment).array;
    message.from = position;
    position += lengths[next];
    message.to = position;
    message.offset = offsets[next];
    message.arrivalMs = arrivalMs;
    next++;
    return true;
  }

  /** Nobody reads the messages any more. */
  void recycle() {
    count = 0;
    next = 0;
    for (Segment segment : segments) {
      pool.giveBack(segment.array);
    }
    segments.clear();
  }

  /** Lets the broker send one more; a link that is gone gave its own credits to its successor. */
  void giveCreditBack() {
    if (context != null && generation == subscription.generation()) {
      context.credits(1);
    }
  }

  private static final class Segment {
    private final byte[] array;
    private int used;

    /** The number of the first message that is not in here. */
    private int end;

    private Segment(byte[] array) {
      this.array = array;
    }
  }
}
