package io.kappafleet.columnar;

import java.time.LocalDate;

/** Epoch milliseconds to days, months and years in UTC. Keeps the last day, as rows cluster. */
final class UtcTexts {
  private static final long DAY_MS = 86_400_000L;

  private long lastDay = Long.MIN_VALUE;
  private String text = "";

  /** Days since 1970-01-01. */
  static long epochDay(long ms) {
    return Math.floorDiv(ms, DAY_MS);
  }

  /** Such as {@code 2026-11-21}. */
  String day(long ms) {
    long day = epochDay(ms);
    if (day != lastDay) {
      text = LocalDate.ofEpochDay(day).toString();
      lastDay = day;
    }
    return text;
  }

  /** Such as {@code 2026-11}. */
  String month(long ms) {
    String day = day(ms);
    return day.substring(0, day.length() - 3);
  }

  /** Such as {@code 2026}. */
  String year(long ms) {
    String day = day(ms);
    return day.substring(0, day.length() - 6);
  }
}
