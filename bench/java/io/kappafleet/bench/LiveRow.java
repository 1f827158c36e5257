package io.kappafleet.bench;

import io.kappafleet.record.RowFrame;

/** A row of {@code vehicle_live} by its number: what both writers of the sink benchmark write. */
final class LiveRow {
  static final String COLUMNS =
      "fleet_id, vehicle_id, event_time, driver_id, state, trip_start, lat, lon, heading,"
          + " speed_kmh, updated_at";
  private static final long START_MS = 1_795_217_400_000L;
  private static final int VEHICLES = 10_000;

  final String fleet;
  final String vehicle;
  final long eventMs;
  final String driver;
  final double lat;
  final double lon;
  final double speed;

  LiveRow(long number) {
    long id = number % VEHICLES;
    fleet = "fleet-" + id % 10;
    vehicle = "bench-" + id;
    driver = "driver-" + id;
    eventMs = START_MS + number / VEHICLES * 1000;
    lat = 40.5 + id * 1e-5;
    lon = -74.5 + id * 1e-5;
    speed = number % 130;
  }

  byte[] frame(RowFrame.Writer writer, int table) {
    return writer
        .begin(table, eventMs * 1000)
        .putText(fleet)
        .putText(vehicle)
        .putLong(eventMs)
        .putText(driver)
        .putText("driving")
        .putLong(START_MS)
        .putDouble(lat)
        .putDouble(lon)
        .putDouble(speed)
        .putDouble(speed)
        // drive_left_*, which another stage writes
        .unset()
        .unset()
        .unset()
        .unset()
        .putLong(eventMs)
        .end();
  }

  static long startMs() {
    return START_MS;
  }
}
