package io.kappafleet.bench;

import java.util.HashMap;
import java.util.Map;

/** What is kept of a driver: hours by start, days by fleet and start. */
public class Windows {
  private static final long DAY_MS = 24 * 3_600_000;
  private static final int THURSDAY = 3; // days since Monday; the epoch's first day

  public Map<Long, Sums> hours = new HashMap<>();
  public Map<String, Map<Long, Sums>> days = new HashMap<>();

  void add(Part part) {
    hours.computeIfAbsent(part.hour, key -> new Sums()).add(part.sums);
    days.computeIfAbsent(part.fleet, key -> new HashMap<>())
        .computeIfAbsent(part.hour - part.hour % DAY_MS, key -> new Sums())
        .add(part.sums);
  }

  void finish(String driver, int rollingDays, Rows rows) {
    hours.forEach((hour, sums) -> rows.driverHour(driver, hour, sums));
    Map<Long, Sums> totals = new HashMap<>();
    days.forEach(
        (fleet, byDay) ->
            byDay.forEach(
                (day, sums) -> {
                  rows.fleetDay(fleet, day, driver, sums);
                  totals.computeIfAbsent(day, key -> new Sums()).add(sums);
                }));
    Map<Long, Sums> weeks = new HashMap<>();
    totals.forEach(
        (day, sums) -> {
          rows.driverDay(driver, day, sums);
          long monday = day - (day / DAY_MS + THURSDAY) % 7 * DAY_MS;
          weeks.computeIfAbsent(monday, key -> new Sums()).add(sums);
          Sums rolling = new Sums();
          totals.forEach(
              (other, more) -> {
                if (other > day - rollingDays * DAY_MS && other <= day) {
                  rolling.add(more);
                }
              });
          rows.driverRolling(driver, day, rollingDays, rolling);
        });
    weeks.forEach((week, sums) -> rows.driverWeek(driver, week, sums));
  }
}
