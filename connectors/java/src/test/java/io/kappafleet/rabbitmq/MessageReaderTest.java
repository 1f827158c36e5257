package io.kappafleet.rabbitmq;

import static io.kappafleet.rabbitmq.TestBroker.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import com.rabbitmq.stream.Codec;
import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.MessageBuilder;
import com.rabbitmq.stream.codec.QpidProtonCodec;
import io.kappafleet.record.LogRecord;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.apache.qpid.proton.amqp.Binary;
import org.apache.qpid.proton.amqp.Symbol;
import org.apache.qpid.proton.amqp.UnsignedByte;
import org.apache.qpid.proton.amqp.UnsignedInteger;
import org.apache.qpid.proton.amqp.UnsignedLong;
import org.apache.qpid.proton.amqp.UnsignedShort;
import org.apache.qpid.proton.amqp.messaging.AmqpSequence;
import org.apache.qpid.proton.amqp.messaging.AmqpValue;
import org.apache.qpid.proton.amqp.messaging.ApplicationProperties;
import org.apache.qpid.proton.amqp.messaging.Data;
import org.apache.qpid.proton.amqp.messaging.Footer;
import org.apache.qpid.proton.amqp.messaging.Header;
import org.apache.qpid.proton.amqp.messaging.MessageAnnotations;
import org.apache.qpid.proton.amqp.messaging.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The source's reading of messages against the client's own, and against bytes that are no message
 * at all.
 */
class MessageReaderTest {
  private static final Codec ORACLE = new QpidProtonCodec();
  private final MessageReader reader = new MessageReader("vehicle_id");

  /** The message alone, and the same with other messages around it, as chunks hold them. */
  private LogMessage read(byte[] encoded) {
    LogMessage alone = new LogMessage();
    reader.read(encoded, 0, encoded.length, alone);
    LogMessage inside = new LogMessage();
    inside.key = "of another";
    for (int filler : new int[] {0, 1, 0x53, 0xff}) {
      byte[] chunk = new byte[encoded.length + 40];
      Arrays.fill(chunk, (byte) filler);
      System.arraycopy(encoded, 0, chunk, 20, encoded.length);
      reader.read(chunk, 20, 20 + encoded.length, inside);
      assertThat(inside.key).isEqualTo(alone.key);
      assertThat(inside.body).isEqualTo(alone.body);
      assertThat(inside.eventMs).isEqualTo(alone.eventMs);
    }
    return alone;
  }

  private static byte[] encode(Message message) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ORACLE.encode(message).writeTo(out);
    // The stream protocol puts the length in front.
    return Arrays.copyOfRange(out.toByteArray(), 4, out.size());
  }

  private static byte[] encode(org.apache.qpid.proton.message.Message message) {
    byte[] buffer = new byte[1 << 20];
    int length = message.encode(buffer, 0, buffer.length);
    return Arrays.copyOf(buffer, length);
  }

  private static byte[] withHeader(String name, Object value) {
    org.apache.qpid.proton.message.Message message =
        org.apache.qpid.proton.message.Message.Factory.create();
    message.setApplicationProperties(new ApplicationProperties(Map.of(name, value)));
    message.setBody(new Data(new Binary(bytes("{}"))));
    return encode(message);
  }

  @Test
  void bodyAndBothHeadersAreRead() throws IOException {
    MessageBuilder builder = ORACLE.messageBuilder();
    builder.applicationProperties().entry("key", "v-ü").entry("event_time", 1_700_000_000_000L);
    builder.properties().messageId("v:1").contentType("application/json").correlationId(7);
    builder.messageAnnotations().entry("x-routing-key", "v-1").entry("x-exchange", "telemetry");

    LogMessage message = read(encode(builder.addData(bytes("{\"a\":1}")).build()));

    assertThat(message.key).isEqualTo("v-ü");
    assertThat(message.eventMs).isEqualTo(1_700_000_000_000L);
    assertThat(message.body).isEqualTo(bytes("{\"a\":1}"));
  }

  @Test
  void withoutHeadersKeyAndTimeComeFromTheBody() throws IOException {
    byte[] body = bytes("{\"vehicle_id\":\"v-2\",\"samples\":{\"t\":[5,6]}}");

    LogMessage message = read(encode(ORACLE.messageBuilder().addData(body).build()));

    assertThat(message.key).isEqualTo("v-2");
    assertThat(message.eventMs).isEqualTo(5);
  }

  @Test
  void everyWholeNumberIsAnEventTime() {
    Object[] twelve = {
      (byte) 12,
      (short) 12,
      12,
      12L,
      UnsignedByte.valueOf((byte) 12),
      UnsignedShort.valueOf((short) 12),
      UnsignedInteger.valueOf(12),
      UnsignedLong.valueOf(12L),
      new java.util.Date(12),
      "12",
      Symbol.valueOf("12")
    };
    for (Object value : twelve) {
      assertThat(read(withHeader("event_time", value)).eventMs)
          .as(value.getClass().getSimpleName())
          .isEqualTo(12);
    }
  }

  @Test
  void wholeNumbersKeepSignAndWidth() {
    assertThat(read(withHeader("event_time", -1)).eventMs).isEqualTo(-1);
    assertThat(read(withHeader("event_time", -70_000)).eventMs).isEqualTo(-70_000);
    assertThat(read(withHeader("event_time", (short) -300)).eventMs).isEqualTo(-300);
    assertThat(read(withHeader("event_time", 0)).eventMs).isZero();
    assertThat(read(withHeader("event_time", UnsignedInteger.valueOf(-1))).eventMs)
        .isEqualTo(4_294_967_295L);
    assertThat(read(withHeader("event_time", UnsignedShort.valueOf((short) -1))).eventMs)
        .isEqualTo(65_535);
    assertThat(read(withHeader("event_time", UnsignedByte.valueOf((byte) -1))).eventMs)
        .isEqualTo(255);
  }

  @Test
  void otherEventTimesCountAsMissing() {
    Object[] useless = {
      1.5,
      1.5f,
      true,
      "",
      "12x",
      "-3",
      "1234567890123456789",
      UUID.randomUUID(),
      'c',
      new Binary(bytes("12"))
    };
    for (Object value : useless) {
      assertThat(read(withHeader("event_time", value)).eventMs)
          .as(value.toString())
          .isEqualTo(LogRecord.NO_TIME);
    }
  }

  @Test
  void aKeyIsATextOrAWholeNumber() {
    assertThat(read(withHeader("key", "v")).key).isEqualTo("v");
    assertThat(read(withHeader("key", "x".repeat(1_000))).key).hasSize(1_000);
    assertThat(read(withHeader("key", Symbol.valueOf("v"))).key).isEqualTo("v");
    assertThat(read(withHeader("key", 17)).key).isEqualTo("17");
    assertThat(read(withHeader("key", true)).key).isEmpty();
    assertThat(read(withHeader("keys", "v")).key).isEmpty();
    assertThat(read(withHeader("ke", "v")).key).isEmpty();
  }

  @Test
  void aTextOrBinaryValueIsABody() {
    org.apache.qpid.proton.message.Message message =
        org.apache.qpid.proton.message.Message.Factory.create();
    message.setBody(new AmqpValue("{\"vehicle_id\":\"v-3\"}"));
    assertThat(read(encode(message)).key).isEqualTo("v-3");
    message.setBody(new AmqpValue(new Binary(bytes("{\"vehicle_id\":\"v-4\"}"))));
    assertThat(read(encode(message)).key).isEqualTo("v-4");
  }

  @Test
  void otherBodiesAreEmpty() {
    org.apache.qpid.proton.message.Message message =
        org.apache.qpid.proton.message.Message.Factory.create();
    message.setBody(new AmqpSequence(java.util.List.of(1, 2)));
    assertThat(read(encode(message)).body).isEmpty();
    message.setBody(new AmqpValue(Map.of("a", 1)));
    assertThat(read(encode(message)).body).isEmpty();
    assertThat(read(new byte[0]).body).isEmpty();
  }

  @Test
  void severalDataSectionsAreOneBody() {
    byte[] one = {0, 0x53, 0x75, (byte) 0xa0, 2, 'a', 'b'};
    byte[] two = {0, 0x53, 0x75, (byte) 0xb0, 0, 0, 0, 1, 'c'};
    byte[] both = new byte[one.length + two.length];
    System.arraycopy(one, 0, both, 0, one.length);
    System.arraycopy(two, 0, both, one.length, two.length);

    assertThat(read(both).body).isEqualTo(bytes("abc"));
  }

  @Test
  void sectionsMayBeDescribedByALongOrASymbol() {
    byte[] byLong = {0, (byte) 0x80, 0, 0, 0, 0, 0, 0, 0, 0x75, (byte) 0xa0, 1, 'a'};
    assertThat(read(byLong).body).isEqualTo(bytes("a"));
    ByteArrayOutputStream bySymbol = new ByteArrayOutputStream();
    bySymbol.writeBytes(new byte[] {0, (byte) 0xa3, 16});
    bySymbol.writeBytes(bytes("amqp:data:binary"));
    bySymbol.writeBytes(new byte[] {(byte) 0xa0, 1, 'b'});
    assertThat(read(bySymbol.toByteArray()).body).isEqualTo(bytes("b"));
  }

  @Test
  void bytesThatAreNoMessageBecomeTheBody() {
    for (byte[] garbage :
        new byte[][] {
          bytes("{\"vehicle_id\":\"v-5\"}"),
          {0},
          {0, 0x53},
          {0, 0x53, 0x75},
          {0, 0x53, 0x75, (byte) 0xa0, 100, 'a'},
          {0, 0x53, 0x75, (byte) 0xb0, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff},
          {0, 0x53, 0x75, 0x40},
          {0, 0x53, 0x74, 0x40},
          new byte[100_000]
        }) {
      assertThat(read(garbage).body).isEqualTo(garbage);
    }
    assertThat(read(bytes("{\"vehicle_id\":\"v-5\"}")).key).isEqualTo("v-5");
  }

  /** Any message with any sections and header types: body and headers as the client reads them. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void anyMessageIsReadAsTheClientReadsIt(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 4_000; i++) {
      byte[] encoded = encode(anyMessage(random));

      LogMessage ours = read(encoded);

      Message theirs = ORACLE.decode(Unpooled.wrappedBuffer(encoded), encoded.length);
      assertThat(ours.body).isEqualTo(theirs.getBodyAsBinary());
      Map<String, Object> headers = theirs.getApplicationProperties();
      Object key = headers == null ? null : headers.get("key");
      Object time = headers == null ? null : headers.get("event_time");
      if (key instanceof String text) {
        assertThat(ours.key).isEqualTo(text);
      }
      if (time instanceof Long || time instanceof Integer || time instanceof Short) {
        assertThat(ours.eventMs).isEqualTo(((Number) time).longValue());
      } else if (time == null) {
        assertThat(ours.eventMs).isEqualTo(LogRecord.NO_TIME);
      }
    }
  }

  /** Cut anywhere, or with any byte changed, a message is decoded to something, without a throw. */
  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13})
  void damagedMessagesNeverThrow(long seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 3_000; i++) {
      byte[] encoded = encode(anyMessage(random));
      byte[] cut = Arrays.copyOf(encoded, random.nextInt(encoded.length + 1));
      assertThat(read(cut).body).isNotNull();
      for (int change = 1 + random.nextInt(4); change > 0; change--) {
        encoded[random.nextInt(encoded.length)] = (byte) random.nextInt();
      }
      assertThat(read(encoded).body).isNotNull();
      byte[] noise = new byte[random.nextInt(60)];
      random.nextBytes(noise);
      assertThat(read(noise).body).isNotNull();
    }
  }

  private static org.apache.qpid.proton.message.Message anyMessage(Random random) {
    org.apache.qpid.proton.message.Message message =
        org.apache.qpid.proton.message.Message.Factory.create();
    byte[] body = new byte[random.nextInt(random.nextInt(8) == 0 ? 2_000 : 100)];
    random.nextBytes(body);
    message.setBody(new Data(new Binary(body)));
    if (random.nextBoolean()) {
      Header header = new Header();
      header.setDurable(true);
      header.setTtl(UnsignedInteger.valueOf(random.nextInt(1_000)));
      message.setHeader(header);
    }
    if (random.nextBoolean()) {
      Properties properties = new Properties();
      properties.setMessageId(random.nextBoolean() ? "id:" + random.nextInt() : UUID.randomUUID());
      properties.setContentType(Symbol.valueOf("application/json"));
      properties.setCreationTime(new java.util.Date(random.nextInt()));
      message.setProperties(properties);
    }
    if (random.nextBoolean()) {
      Map<Symbol, Object> annotations = new HashMap<>();
      annotations.put(Symbol.valueOf("x-exchange"), "telemetry");
      annotations.put(Symbol.valueOf("x-any"), anyValue(random));
      message.setMessageAnnotations(new MessageAnnotations(annotations));
    }
    if (random.nextInt(4) > 0) {
      Map<String, Object> headers = new HashMap<>();
      for (int i = random.nextInt(4); i > 0; i--) {
        headers.put("h" + random.nextInt(50), anyValue(random));
      }
      if (random.nextBoolean()) {
        headers.put("key", "v-" + "x".repeat(random.nextInt(300)));
      }
      if (random.nextBoolean()) {
        headers.put("event_time", random.nextBoolean() ? random.nextLong() : random.nextInt());
      }
      message.setApplicationProperties(new ApplicationProperties(headers));
    }
    if (random.nextInt(8) == 0) {
      message.setFooter(new Footer(Map.of("sum", random.nextInt())));
    }
    return message;
  }

  private static Object anyValue(Random random) {
    return switch (random.nextInt(17)) {
      case 0 -> random.nextBoolean();
      case 1 -> (byte) random.nextInt();
      case 2 -> (short) random.nextInt();
      case 3 -> random.nextInt();
      case 4 -> random.nextLong();
      case 5 -> random.nextFloat();
      case 6 -> random.nextDouble();
      case 7 -> "text" + "y".repeat(random.nextInt(300));
      case 8 -> Symbol.valueOf("symbol");
      case 9 -> UUID.randomUUID();
      case 10 -> new java.util.Date(random.nextLong());
      case 11 -> 'c';
      case 12 -> UnsignedByte.valueOf((byte) random.nextInt());
      case 13 -> UnsignedShort.valueOf((short) random.nextInt());
      case 14 -> UnsignedInteger.valueOf(random.nextInt());
      case 15 -> UnsignedLong.valueOf(random.nextLong());
      default -> new Binary(new byte[random.nextInt(300)]);
    };
  }
}
