package io.kappafleet.bench;

import java.util.function.Consumer;

/** Rows as lines of JSON; each names its table. */
final class Rows {
  private static final String[] AXES = {
    "harsh_accel", "harsh_brake", "harsh_corner", "possible_crash"
  };
  private static final String[] BANDS = {"ok", "minor", "major", "severe"};
  private static final String[] STATES = {"driving", "idle", "stopped"};

  private final StringBuilder text = new StringBuilder(512);
  private final Rules rules;
  private final Score score;
  private final Consumer<String> out;

  Rows(Rules rules, Consumer<String> out) {
    this.rules = rules;
    this.score = new Score(rules);
    this.out = out;
  }

  void minute(String vehicle, Vehicle s, Sums sums) {
    begin("vehicle_minute").text("vehicle_id", vehicle).time("minute_start", s.minuteStart);
    text("driver_id", s.minuteDriver).text("fleet_id", s.minuteFleet);
    number("lat", s.minuteLat).number("lon", s.minuteLon).metrics(sums).end();
  }

  void trip(String vehicle, Vehicle s) {
    begin("trip").text("driver_id", s.driver).time("start_time", s.tripStart);
    text("vehicle_id", vehicle).time("end_time", s.tripEnd).text("fleet_id", s.fleet);
    text("vehicle_class", s.vehicleClass);
    number("start_lat", s.tripStartLat).number("start_lon", s.tripStartLon);
    number("end_lat", s.tripEndLat).number("end_lon", s.tripEndLon).scored(s.trip).end();
  }

  void event(String vehicle, Vehicle s, Vehicle.Event event, int axis, String rule) {
    double ratio = event.peak / event.threshold;
    event(vehicle, s, AXES[axis], event.start, event.end, event.peak, "m/s2");
    text("severity", ratio >= 1.5 ? "high" : ratio >= 1.25 ? "medium" : "low");
    number("lat", event.lat).number("lon", event.lon).number("speed_kmh", event.speed);
    number("limit_kmh", Double.NaN).flag("derived", event.derived).text("rule", rule);
    count("n_samples", event.n).end();
  }

  void speeding(String vehicle, Vehicle s, Vehicle.Speeding episode, int severity, String rule) {
    event(vehicle, s, "speeding", episode.start, episode.end, episode.over, "km/h");
    text("severity", BANDS[severity]);
    number("lat", episode.lat).number("lon", episode.lon).number("speed_kmh", episode.speed);
    number("limit_kmh", episode.limit).flag("derived", false).text("rule", rule);
    count("n_samples", episode.n).end();
  }

  void idling(String vehicle, Vehicle s, Vehicle.Idling episode, String rule) {
    event(vehicle, s, "idling", episode.start, s.lastT, (s.lastT - episode.start) / 1e3, "s");
    text("severity", null).number("lat", episode.lat).number("lon", episode.lon);
    number("speed_kmh", Double.NaN).number("limit_kmh", Double.NaN).flag("derived", false);
    text("rule", rule).count("n_samples", episode.n).end();
  }

  private void event(
      String vehicle, Vehicle s, String type, long start, long end, double peak, String unit) {
    begin("driver_event").text("driver_id", s.driver).time("event_time", start);
    text("type", type).text("vehicle_id", vehicle).text("fleet_id", s.fleet);
    time("end_time", end).number("duration_s", (end - start) / 1e3);
    number("peak", peak).text("unit", unit);
  }

  void live(String vehicle, Vehicle s, int state, long tripStart) {
    begin("vehicle_live").text("fleet_id", s.fleet).text("vehicle_id", vehicle);
    time("event_time", s.lastT).text("driver_id", s.driver).text("state", STATES[state]);
    time("trip_start", tripStart).number("lat", s.lastLat).number("lon", s.lastLon);
    number("heading", s.lastHeading).number("speed_kmh", s.lastSpeed).end();
  }

  void driverHour(String driver, long hour, Sums sums) {
    begin("driver_hour").text("driver_id", driver).time("hour_start", hour).scored(sums).end();
  }

  void driverDay(String driver, long day, Sums sums) {
    begin("driver_day").text("driver_id", driver).time("day", day).scored(sums).end();
  }

  void fleetDay(String fleet, long day, String driver, Sums sums) {
    begin("fleet_day").text("fleet_id", fleet).time("day", day).text("driver_id", driver);
    scored(sums).end();
  }

  void driverWeek(String driver, long week, Sums sums) {
    begin("driver_week").text("driver_id", driver).time("week", week).scored(sums).end();
  }

  void driverRolling(String driver, long day, int days, Sums sums) {
    begin("driver_rolling").text("driver_id", driver).time("day", day).count("days", days);
    scored(sums).end();
  }

  private Rows begin(String table) {
    text.setLength(0);
    text.append("{\"table\":\"").append(table).append('"');
    return this;
  }

  private void end() {
    out.accept(text.append('}').toString());
  }

  private Rows metrics(Sums sums) {
    double km = sums.distanceUm / 1e9;
    number("distance_km", km).number("drive_s", sums.driveMs / 1e3);
    number("idle_s", sums.idleMs / 1e3).number("stopped_s", sums.stoppedMs / 1e3);
    number("max_speed_kmh", sums.maxKmh >= 0 ? sums.maxKmh : Double.NaN);
    number("mean_speed_kmh", sums.driveMs > 0 ? km / (sums.driveMs / 3.6e6) : Double.NaN);
    count("harsh_accel", sums.accel).count("harsh_brake", sums.brake);
    count("harsh_corner", sums.corner);
    number("speeding_minor_s", sums.minorMs / 1e3).number("speeding_major_s", sums.majorMs / 1e3);
    number("speeding_severe_s", sums.severeMs / 1e3);
    number("speed_limit_unknown_s", sums.unknownMs / 1e3);
    number("speeding_minor_km", sums.minorUm / 1e9).number("speeding_major_km", sums.majorUm / 1e9);
    number("speeding_severe_km", sums.severeUm / 1e9);
    number("speed_limit_unknown_km", sums.unknownUm / 1e9);
    return count("n_samples", sums.n);
  }

  private Rows scored(Sums sums) {
    score.of(sums);
    metrics(sums).number("score", score.value).number("score_unclamped", score.unclamped);
    text("score_band", score.band);
    text("score_state", score.band == null ? "insufficient_distance" : "ok");
    number("penalty_events", score.events).number("penalty_speeding", score.speeding);
    number("penalty_idle", score.idle);
    return text("formula", rules.formula).text("params_hash", rules.paramsHash);
  }

  private Rows name(String name) {
    text.append(",\"").append(name).append("\":");
    return this;
  }

  /** Ids of this benchmark need no escapes. */
  private Rows text(String name, String value) {
    name(name);
    if (value == null) {
      text.append("null");
    } else {
      text.append('"').append(value).append('"');
    }
    return this;
  }

  private Rows flag(String name, boolean value) {
    name(name);
    text.append(value);
    return this;
  }

  private Rows count(String name, long value) {
    name(name);
    text.append(value);
    return this;
  }

  private Rows time(String name, long value) {
    name(name);
    if (value == Vehicle.NONE) {
      text.append("null");
    } else {
      text.append(value);
    }
    return this;
  }

  private Rows number(String name, double value) {
    name(name);
    if (Double.isNaN(value)) {
      text.append("null");
    } else {
      text.append(value);
    }
    return this;
  }
}
