package io.kappafleet.bench;

import java.util.HashMap;
import java.util.Map;

/** What is kept of a driver: hours by start, days by fleet and start. */
public class Windows {
  private static final long HOUR_MS = 3_600_000;
  private static final long DAY_MS = 24 * HOUR_MS;

  public Map<Long, Sums> hours = new HashMap<>();
  public Map<String, Map<Long, Sums>> days = new HashMap<>();

  void add(Part part) {
    long start = part.minuteStart;
    hours.computeIfAbsent(start - start % HOUR_MS, key -> new Sums()).add(part.sums);
    days.computeIfAbsent(part.fleet, key -> new HashMap<>())
        .computeIfAbsent(start - start % DAY_MS, key -> new Sums())
        .add(part.sums);
  }

  void finish(String driver, Rows rows) {
    hours.forEach((hour, sums) -> rows.driverHour(driver, hour, sums));
    Map<Long, Sums> totals = new HashMap<>();
    days.forEach(
        (fleet, byDay) ->
            byDay.forEach(
                (day, sums) -> {
                  rows.fleetDay(fleet, day, driver, sums);
                  totals.computeIfAbsent(day, key -> new Sums()).add(sums);
                }));
    totals.forEach((day, sums) -> rows.driverDay(driver, day, sums));
  }
}
