package io.kappafleet.bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A generated line cut at what changes from message to message, so that a publisher copies bytes
 * instead of writing numbers: the vehicle's number (also in its driver's name), seq, and times.
 */
final class Template {
  private static final int ID_DIGITS = 7;
  private static final int GENERATED_ID_DIGITS = 5;
  private static final int TIME_DIGITS = 13;

  final int samples;

  /** The number of the vehicle that the line was generated for: its fleet and class go by it. */
  final int vehicle;

  private final byte[] beforeId;
  private final byte[] beforeDriver; // null: it has no driver
  private final byte[] beforeSeq;
  private final byte[] beforeTimes;
  private final byte[] rest;

  Template(byte[] line) {
    String text = new String(line, StandardCharsets.UTF_8);
    int id = after(text, "\"vehicle_id\":\"vehicle-", 0);
    beforeId = part(text, 0, id);
    int at = id + GENERATED_ID_DIGITS;
    vehicle = Integer.parseInt(text.substring(id, at));
    int driver = text.indexOf("\"driver_id\":\"driver-", at);
    if (driver >= 0) {
      int number = after(text, "\"driver_id\":\"driver-", at);
      beforeDriver = part(text, at, number);
      at = number + GENERATED_ID_DIGITS;
    } else {
      beforeDriver = null;
    }
    int seq = after(text, "\"seq\":", at);
    beforeSeq = part(text, at, seq);
    int comma = text.indexOf(',', seq);
    int times = after(text, "\"t\":[", comma);
    beforeTimes = part(text, comma, times);
    int end = text.indexOf(']', times);
    samples = (int) text.substring(times, end).chars().filter(c -> c == ',').count() + 1;
    rest = part(text, end, text.length());
  }

  /** The message of a vehicle whose last sample is at {@code lastMs}. */
  byte[] message(int vehicle, long seq, long lastMs, double intervalMs) {
    int seqDigits = seq == 0 ? 1 : (int) Math.log10(seq) + 1;
    int timesBytes = samples * (TIME_DIGITS + 1) - 1;
    int driverBytes = beforeDriver == null ? 0 : beforeDriver.length + ID_DIGITS;
    byte[] out =
        new byte
            [beforeId.length
                + ID_DIGITS
                + driverBytes
                + beforeSeq.length
                + seqDigits
                + beforeTimes.length
                + timesBytes
                + rest.length];
    int at = digits(out, put(out, 0, beforeId), vehicle, ID_DIGITS);
    if (beforeDriver != null) {
      at = digits(out, put(out, at, beforeDriver), vehicle, ID_DIGITS);
    }
    at = put(out, digits(out, put(out, at, beforeSeq), seq, seqDigits), beforeTimes);
    for (int i = 0; i < samples; i++) {
      if (i > 0) {
        out[at++] = ',';
      }
      at = digits(out, at, lastMs - (long) ((samples - 1 - i) * intervalMs), TIME_DIGITS);
    }
    put(out, at, rest);
    return out;
  }

  static String key(int vehicle) {
    byte[] digits = new byte[ID_DIGITS];
    digits(digits, 0, vehicle, ID_DIGITS);
    return "vehicle-" + new String(digits, StandardCharsets.US_ASCII);
  }

  private static int put(byte[] out, int at, byte[] bytes) {
    System.arraycopy(bytes, 0, out, at, bytes.length);
    return at + bytes.length;
  }

  private static int digits(byte[] out, int at, long value, int count) {
    long left = value;
    for (int i = at + count - 1; i >= at; i--) {
      out[i] = (byte) ('0' + left % 10);
      left /= 10;
    }
    return at + count;
  }

  private static int after(String text, String mark, int from) {
    int at = text.indexOf(mark, from);
    if (at < 0) {
      throw new IllegalArgumentException("no " + mark + " in " + text);
    }
    return at + mark.length();
  }

  private static byte[] part(String text, int from, int to) {
    return Arrays.copyOf(text.substring(from, to).getBytes(StandardCharsets.UTF_8), to - from);
  }
}
