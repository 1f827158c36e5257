package io.kappafleet.rabbitmq;

import static org.assertj.core.api.Assertions.assertThat;

import com.rabbitmq.stream.Message;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** From the client's buffer through a chunk: every byte, offset and time as it came. */
class ReceivedChunkTest {
  private final SegmentPool pool = new SegmentPool(1 << 20);

  private static MessageBytes message(byte[] content) {
    return (MessageBytes) new BytesCodec().decode(Unpooled.wrappedBuffer(content), content.length);
  }

  private ReceivedChunk chunk(List<byte[]> contents, long firstOffset) {
    ReceivedChunk chunk = new ReceivedChunk(null, null, contents.size(), 1, pool);
    for (int i = 0; i < contents.size(); i++) {
      chunk.add(message(contents.get(i)), firstOffset + i, 7);
    }
    return chunk;
  }

  private static List<byte[]> read(ReceivedChunk chunk) {
    List<byte[]> found = new ArrayList<>();
    StoredMessage message = new StoredMessage();
    while (chunk.next(message)) {
      found.add(Arrays.copyOfRange(message.bytes, message.from, message.to));
    }
    return found;
  }

  private static List<byte[]> anyMessages(Random random, int count) {
    List<byte[]> messages = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int longest = random.nextInt(40) == 0 ? 3 * SegmentPool.SEGMENT_BYTES : 2_000;
      byte[] message = new byte[random.nextInt(6) == 0 ? 0 : random.nextInt(longest)];
      random.nextBytes(message);
      messages.add(message);
    }
    return messages;
  }

  @Test
  void theCodecTakesExactlyAMessagesBytes() {
    ByteBuf buffer = Unpooled.wrappedBuffer(new byte[] {1, 2, 3, 4, 5});
    BytesCodec codec = new BytesCodec();

    Message first = codec.decode(buffer, 2);
    MessageBytes second = (MessageBytes) codec.decode(buffer, 3);

    assertThat(buffer.readableBytes()).isZero();
    byte[] copy = new byte[4];
    ((MessageBytes) first).copyTo(copy, 0);
    assertThat(copy).containsExactly(1, 2, 0, 0);
    second.copyTo(copy, 1);
    assertThat(copy).containsExactly(1, 3, 4, 5);
  }

  @Test
  void messagesOfAnyLengthComeOutAsTheyWentIn() {
    Random random = new Random(1);
    for (int round = 0; round < 50; round++) {
      List<byte[]> contents = anyMessages(random, random.nextInt(200));
      ReceivedChunk chunk = chunk(contents, 900);

      assertThat(chunk.bytes).isEqualTo(contents.stream().mapToLong(m -> m.length).sum());
      assertThat(read(chunk)).containsExactlyElementsOf(contents);
      chunk.recycle();
    }
  }

  @Test
  void offsetsAndArrivalAreKept() {
    ReceivedChunk chunk = chunk(List.of(new byte[0], new byte[1], new byte[0]), 900);
    StoredMessage message = new StoredMessage();

    assertThat(chunk.firstOffset()).isEqualTo(900);
    assertThat(chunk.lastOffset()).isEqualTo(902);
    for (long offset = 900; offset <= 902; offset++) {
      assertThat(chunk.next(message)).isTrue();
      assertThat(message.offset).isEqualTo(offset);
      assertThat(message.arrivalMs).isEqualTo(7);
    }
    assertThat(chunk.next(message)).isFalse();
  }

  @Test
  void arraysAreUsedAgainOnlyWhenTheirChunkIsDone() {
    List<byte[]> contents = anyMessages(new Random(2), 300);
    ReceivedChunk first = chunk(contents, 0);
    ReceivedChunk second = chunk(anyMessages(new Random(3), 300), 300);
    assertThat(read(first)).containsExactlyElementsOf(contents);
    Set<byte[]> held = arrays(second);
    first.recycle();
    first.recycle();

    ReceivedChunk third = chunk(contents, 600);

    assertThat(arrays(third)).doesNotContainAnyElementsOf(held);
    assertThat(first.next(new StoredMessage())).isFalse();
  }

  @Test
  void thePoolKeepsOneKindOfArraysAndNoMoreThanItMay() {
    SegmentPool small = new SegmentPool(2 * SegmentPool.SEGMENT_BYTES);
    List<byte[]> taken = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      taken.add(small.take(10, 20_000));
    }
    byte[] large = small.take(SegmentPool.SEGMENT_BYTES + 1, 0);
    assertThat(large).hasSize(SegmentPool.SEGMENT_BYTES + 1);
    small.giveBack(large);
    taken.forEach(small::giveBack);

    assertThat(small.take(1, 20_000)).isSameAs(taken.get(0));
    assertThat(small.take(1, 20_000)).isSameAs(taken.get(1));
    assertThat(taken).noneMatch(each -> each == small.take(1, 20_000));
  }

  @Test
  void aFewSmallMessagesTakeNoMoreThanTheyNeed() {
    assertThat(pool.take(300, 600)).hasSize(600);
    assertThat(pool.take(300, 0)).hasSize(300);
    assertThat(pool.take(0, 0)).isEmpty();
  }

  private static Set<byte[]> arrays(ReceivedChunk chunk) {
    Set<byte[]> found = new HashSet<>();
    StoredMessage message = new StoredMessage();
    while (chunk.next(message)) {
      found.add(message.bytes);
    }
    return found;
  }
}
