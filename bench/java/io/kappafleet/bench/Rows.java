package io.kappafleet.bench;

import java.util.function.Consumer;

/** Rows as lines of JSON; each names its table. */
final class Rows {
  private static final String[] AXES = {"harsh_accel", "harsh_brake", "harsh_corner"};
  private static final String[] STATES = {"driving", "idle", "stopped"};

  private final StringBuilder text = new StringBuilder(512);
  private final Consumer<String> out;

  Rows(Consumer<String> out) {
    this.out = out;
  }

  void minute(String vehicle, Vehicle s) {
    begin("vehicle_minute").text("vehicle_id", vehicle).time("minute_start", s.minuteStart);
    text("driver_id", s.minuteDriver).text("fleet_id", s.minuteFleet);
    number("lat", s.minuteLat).number("lon", s.minuteLon).metrics(s.minute).end();
  }

  void trip(String vehicle, Vehicle s) {
    begin("trip").text("driver_id", s.driver).time("start_time", s.tripStart);
    text("vehicle_id", vehicle).time("end_time", s.tripEnd).text("fleet_id", s.fleet);
    text("vehicle_class", s.vehicleClass);
    number("start_lat", s.tripStartLat).number("start_lon", s.tripStartLon);
    number("end_lat", s.tripEndLat).number("end_lon", s.tripEndLon).metrics(s.trip).end();
  }

  void event(String vehicle, Vehicle s, Vehicle.Event event, int axis) {
    double ratio = event.peak / event.threshold;
    begin("driver_event").text("driver_id", s.driver).time("event_time", event.start);
    text("type", AXES[axis]).text("vehicle_id", vehicle).text("fleet_id", s.fleet);
    time("end_time", event.end).number("duration_s", (event.end - event.start) / 1e3);
    number("peak", event.peak);
    text("severity", ratio >= 1.5 ? "high" : ratio >= 1.25 ? "medium" : "low");
    number("lat", event.lat).number("lon", event.lon).number("speed_kmh", event.speed);
    count("n_samples", event.n).end();
  }

  void live(String vehicle, Vehicle s, int state, long tripStart) {
    begin("vehicle_live").text("fleet_id", s.fleet).text("vehicle_id", vehicle);
    time("event_time", s.lastT).text("driver_id", s.driver).text("state", STATES[state]);
    time("trip_start", tripStart).number("lat", s.lastLat).number("lon", s.lastLon);
    number("heading", s.lastHeading).number("speed_kmh", s.lastSpeed).end();
  }

  void driverHour(String driver, long hour, Sums sums) {
    begin("driver_hour").text("driver_id", driver).time("hour_start", hour).metrics(sums).end();
  }

  void driverDay(String driver, long day, Sums sums) {
    begin("driver_day").text("driver_id", driver).time("day", day).metrics(sums).end();
  }

  void fleetDay(String fleet, long day, String driver, Sums sums) {
    begin("fleet_day").text("fleet_id", fleet).time("day", day).text("driver_id", driver);
    metrics(sums).end();
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
    return count("harsh_corner", sums.corner).count("n_samples", sums.n);
  }

  private Rows name(String name) {
    text.append(",\"").append(name).append("\":");
    return this;
  }

  /** Ids of this benchmark need no escapes. */
  private Rows text(String name, String value) {
    name(name);
    text.append('"').append(value).append('"');
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
