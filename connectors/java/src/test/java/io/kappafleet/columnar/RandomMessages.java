package io.kappafleet.columnar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** Random messages of {@link Specs#telemetry}, of vehicle v1. */
final class RandomMessages {
  private static final String[] TEXTS = {
    "", "a", "anna", "van-7", "x y/z", "12345678", "Jörg", "東京", "🚗", "d".repeat(64), "\u007f"
  };
  private static final String[] ODD_TEXTS = {
    "\\n", "a\\u0041", "\\ud83d\\ude97", "\\ud83d", "\\u0000", "\t", "e".repeat(65), "é".repeat(33)
  };
  private static final String STRUCTURE = "0123456789.,-+eE []{}\"\\nultrfas:t\n";

  private final Random random;
  private final boolean faulty;

  /**
   * @param faulty some are damaged, and some have what is unusual
   */
  RandomMessages(long seed, boolean faulty) {
    this.random = new Random(seed);
    this.faulty = faulty;
  }

  byte[] next() {
    int n = 1 + random.nextInt(4);
    List<String> fields = new ArrayList<>();
    fields.add("\"vehicle_id\":" + blank() + "\"v1\"");
    fields.add("\"samples\":" + blank() + samples(n));
    sometimes(fields, "\"schema\":" + blank() + "\"telemetry/1\"");
    sometimes(fields, "\"driver_id\":" + blank() + text());
    sometimes(fields, "\"fleet_id\":" + blank() + text());
    sometimes(fields, "\"seq\":" + blank() + (odd() ? number(random) : random.nextInt(99)));
    sometimes(fields, "\"lat\":" + blank() + (odd() ? number(random) : random.nextInt(90) / 7.0));
    sometimes(fields, "\"" + TEXTS[random.nextInt(TEXTS.length)] + "\" :" + value(3));
    if (odd()) {
      fields.add(fields.get(random.nextInt(fields.size())));
    }
    Collections.shuffle(fields, random);
    byte[] message =
        (blank() + "{" + blank() + String.join(blank() + "," + blank(), fields) + "}" + blank())
            .getBytes(StandardCharsets.UTF_8);
    return faulty && random.nextInt(3) > 0 ? damaged(message) : message;
  }

  private byte[] damaged(byte[] message) {
    byte[] damaged = message.clone();
    for (int change = 1 + random.nextInt(2); change > 0; change--) {
      int at = random.nextInt(damaged.length);
      byte letter =
          random.nextInt(4) == 0
              ? (byte) random.nextInt(256)
              : (byte) STRUCTURE.charAt(random.nextInt(STRUCTURE.length()));
      switch (random.nextInt(3)) {
        case 0 -> damaged[at] = letter;
        case 1 -> {
          byte[] longer = new byte[damaged.length + 1];
          System.arraycopy(damaged, 0, longer, 0, at);
          longer[at] = letter;
          System.arraycopy(damaged, at, longer, at + 1, damaged.length - at);
          damaged = longer;
        }
        default -> {
          byte[] shorter = new byte[damaged.length - 1];
          System.arraycopy(damaged, 0, shorter, 0, at);
          System.arraycopy(damaged, at + 1, shorter, at, shorter.length - at);
          damaged = shorter;
        }
      }
    }
    return damaged;
  }

  private String samples(int n) {
    List<String> arrays = new ArrayList<>();
    List<String> times = new ArrayList<>();
    List<String> speeds = new ArrayList<>();
    List<String> odometers = new ArrayList<>();
    List<String> flags = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      times.add(Long.toString(1_700_000_000_000L + 1000L * i));
      speeds.add(random.nextInt(9) == 0 ? "null" : Double.toString(random.nextInt(4000) / 10.0));
      odometers.add(odd() ? number(random) : Double.toString(random.nextDouble() * 1e6));
      flags.add(List.of("true", "false", "null").get(random.nextInt(3)));
    }
    arrays.add("\"t\":" + array(times));
    sometimes(arrays, "\"speed\":" + (random.nextInt(9) == 0 ? "null" : array(speeds)));
    sometimes(arrays, "\"odometer\":" + array(odometers));
    sometimes(arrays, "\"ignition\":" + (random.nextInt(9) == 0 ? "null" : array(flags)));
    sometimes(arrays, "\"rpm\":" + value(3));
    Collections.shuffle(arrays, random);
    return "{" + blank() + String.join("," + blank(), arrays) + blank() + "}";
  }

  private String array(List<String> values) {
    return "[" + blank() + String.join(blank() + "," + blank(), values) + blank() + "]";
  }

  private String value(int depth) {
    return switch (random.nextInt(depth == 0 ? 4 : 6)) {
      case 0 -> text();
      case 1 -> Double.toString(random.nextGaussian());
      case 2 -> Integer.toString(random.nextInt(1000) - 500);
      case 3 -> List.of("true", "false", "null").get(random.nextInt(3));
      case 4 ->
          array(random.nextBoolean() ? List.of() : List.of(value(depth - 1), value(depth - 1)));
      default -> "{" + blank() + "\"t\"" + blank() + ":" + value(depth - 1) + "}";
    };
  }

  private String text() {
    if (random.nextInt(9) == 0) {
      return "null";
    }
    String[] texts = odd() ? ODD_TEXTS : TEXTS;
    return '"' + texts[random.nextInt(texts.length)] + '"';
  }

  private void sometimes(List<String> fields, String field) {
    if (random.nextInt(4) > 0) {
      fields.add(field);
    }
  }

  private String blank() {
    return random.nextInt(5) > 0 ? "" : List.of(" ", "\n", "\t ", "\r\n").get(random.nextInt(4));
  }

  private boolean odd() {
    return faulty && random.nextInt(8) == 0;
  }

  /** A JSON number of any size and length. */
  static String number(Random random) {
    return switch (random.nextInt(7)) {
      case 0 -> Double.toString(Double.longBitsToDouble(random.nextLong() & ~(1L << 62)));
      case 1 -> Double.toString(random.nextInt(2_000_000) / 1000.0);
      case 2 -> random.nextLong(1L << 60) + "." + random.nextInt(1_000_000_000);
      case 3 -> Long.toString(random.nextLong() >> random.nextInt(64));
      case 4 -> random.nextInt(9) + "." + digits(random, 1 + random.nextInt(20));
      case 5 -> "-" + random.nextInt(2) + (random.nextBoolean() ? "" : ".0");
      default -> random.nextInt(100) + (random.nextBoolean() ? "e" : "E+") + random.nextInt(330);
    };
  }

  private static String digits(Random random, int count) {
    StringBuilder digits = new StringBuilder();
    for (int i = 0; i < count; i++) {
      digits.append((char) ('0' + random.nextInt(10)));
    }
    return digits.toString();
  }
}
