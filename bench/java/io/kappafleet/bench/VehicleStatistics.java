package io.kappafleet.bench;

import java.util.function.Consumer;

/**
 * The statistics of driver_stats by hand in Java: the rules of {@code bench/plain_stats.py}, one
 * sample after the other.
 */
final class VehicleStatistics {
  static final int DRIVE = 0;
  static final int IDLE = 1;
  static final int STOPPED = 2;

  private static final long MINUTE_MS = 60_000;
  private static final double UM_PER_KMH_MS = 1e9 / 3.6e6;
  private static final long HOUR_MS = 60 * MINUTE_MS;

  private final Rules rules;
  private final Rows rows;
  private final Consumer<Part> parts;
  private final HarshEvents harsh;
  private final Episodes episodes;

  VehicleStatistics(Rules rules, Rows rows, Consumer<Part> parts) {
    this.rules = rules;
    this.rows = rows;
    this.parts = parts;
    this.harsh = new HarshEvents(rules, rows);
    this.episodes = new Episodes(rules, rows);
  }

  /** Folds one message in. */
  void fold(Vehicle s, Telemetry m) {
    String vehicle = m.vehicleId;
    boolean first = s.lastT == Vehicle.NONE;
    String vehicleClass =
        m.vehicleClass != null && rules.thresholds.containsKey(m.vehicleClass)
            ? m.vehicleClass
            : rules.defaultClass;
    double[] level = rules.levels.get(vehicleClass);
    boolean toldWho = false;

    for (int i = 0; i < m.n; i++) {
      long t = m.t[i];
      boolean begins = s.lastT == Vehicle.NONE;
      if (!begins && t <= s.lastT) {
        continue;
      }
      long gap = begins ? 0 : t - s.lastT;
      boolean others = false;
      if (!toldWho) {
        toldWho = true;
        others = who(s, m, vehicleClass, first);
      }
      double speed = m.speed[i];
      double top = speed;
      double lat = m.lat[i];
      double lon = m.lon[i];
      byte ignition = m.ignition[i];
      boolean hasPlace = lat == lat && lon == lon;
      if (speed > rules.maxKmh) {
        top = speed = Double.NaN;
      } else if (speed - s.credibleKmh > rules.slackKmh && harsh.isJump(s, t, speed, lat, lon)) {
        speed = Double.NaN;
      } else if (speed == speed) {
        s.credibleT = t;
        s.credibleKmh = speed;
        s.credibleLat = lat;
        s.credibleLon = lon;
      }
      long um;
      boolean standing;
      if (speed == speed) {
        um = (long) (speed * gap * UM_PER_KMH_MS + 0.5);
        standing = speed < rules.standingKmh;
      } else {
        um = distanceWithoutSpeed(s, gap, m.odometer[i], lat, lon);
        standing = um >= 0 && gap > 0 && um < rules.standingKmh * gap * UM_PER_KMH_MS;
      }
      boolean covers =
          !begins
              && (gap <= rules.maxGapMs || (standing && s.lastStanding && gap <= rules.idleGapMs));

      boolean inTrip = s.tripStart != Vehicle.NONE;
      if (inTrip && (gap >= rules.tripGapMs || ignition == 0)) {
        closeTrip(s, vehicle, true);
        inTrip = false;
      }
      if (!inTrip && ignition != 0 && (rules.tripStopMs == 0 || !standing)) {
        covers = false;
        inTrip = true;
        openTrip(s, t, lat, lon);
      }

      int kind = !standing ? DRIVE : ignition == 0 ? STOPPED : IDLE;
      long span = covers ? gap : 0;
      um = covers ? Math.max(um, 0) : 0;
      int band = Episodes.OK;
      if (kind == DRIVE) {
        double limit = m.speedLimit[i] > 0 ? m.speedLimit[i] : rules.fixedKmh;
        band = episodes.band(speed, limit);
        if (band == Episodes.OK || band == Episodes.UNKNOWN || span == 0) {
          episodes.endSpeeding(s, vehicle);
        } else {
          episodes.speeding(s, t, span, band, speed, limit, lat, lon);
        }
      } else {
        episodes.endSpeeding(s, vehicle);
      }
      if (kind == IDLE && span > 0) {
        episodes.idling(s, t, span, lat, lon);
      } else {
        episodes.endIdling(s, vehicle);
      }

      long minute = t - t % MINUTE_MS;
      if (covers) {
        if (s.minuteStart == minute && t - gap >= minute) {
          s.part.span(kind, band, span, um);
        } else {
          cover(s, vehicle, t - gap, t, kind, band, um);
        }
      }
      if (s.minuteStart != minute) {
        openMinute(s, vehicle, minute);
      }
      if (others) { // a minute goes by the driver of its last sample
        s.minuteDriver = s.driver;
        s.minuteFleet = s.fleet;
      }

      int started = 0;
      double ax = m.accelX[i];
      double ay = m.accelY[i];
      double x = ax;
      double y = Math.abs(ay);
      if (x != x || y != y) {
        if (s.fix == null) {
          s.fix = new Vehicle.Fix();
        }
        harsh.derive(s.fix, t, speed, m.heading[i], m.yawRate[i], lat, lon);
        x = x == x ? x : s.fix.x;
        y = y == y ? y : s.fix.y;
      }
      if (s.openEvents > 0 || x >= level[0] || -x >= level[1] || y >= level[2]) {
        double[] thresholds = rules.thresholds.get(vehicleClass);
        started = harsh.at(s, vehicle, thresholds, t, gap, speed, lat, lon, ax, ay, x, y);
        s.part.count(started);
      }

      s.part.n++;
      s.minuteDirty = true;
      if (top > s.part.maxKmh) {
        s.part.maxKmh = top;
      }
      if (hasPlace) {
        s.minuteLat = lat;
        s.minuteLon = lon;
      }
      if (inTrip) {
        inTrip(s, vehicle, t, kind, band, span, um, started, top, hasPlace, lat, lon);
      }

      s.lastT = t;
      s.lastStanding = standing;
      s.lastLat = lat;
      s.lastLon = lon;
      s.lastOdometer = m.odometer[i];
      s.lastSpeed = speed;
      s.lastHeading = m.heading[i];
      s.lastIgnition = ignition;
    }
  }

  /** The end of input: everything that is open is complete. */
  void finish(Vehicle s, String vehicle) {
    if (s.lastT == Vehicle.NONE) {
      return;
    }
    if (s.minuteDirty) {
      emitMinute(s, vehicle);
    }
    tell(s);
    harsh.close(s, vehicle);
    episodes.endSpeeding(s, vehicle);
    episodes.endIdling(s, vehicle);
    long tripStart = s.tripStart;
    if (tripStart != Vehicle.NONE) {
      closeTrip(s, vehicle, true);
    }
    int state = !s.lastStanding ? DRIVE : s.lastIgnition == 0 ? STOPPED : IDLE;
    rows.live(vehicle, s, state, tripStart);
  }

  private void inTrip(
      Vehicle s,
      String vehicle,
      long t,
      int kind,
      int band,
      long span,
      long um,
      int started,
      double top,
      boolean hasPlace,
      double lat,
      double lon) {
    boolean waits = rules.tripStopMs > 0 && kind != DRIVE;
    if (!waits && s.tail.n > 0) {
      keepTail(s);
    }
    Sums sums = waits ? s.tail : s.trip;
    sums.n++;
    sums.span(kind, band, span, um);
    if (started != 0) {
      sums.count(started);
    }
    if (top > s.trip.maxKmh) {
      s.trip.maxKmh = top;
    }
    if (!waits) {
      s.tripEnd = t;
      if (hasPlace) {
        s.tripEndLat = lat;
        s.tripEndLon = lon;
      }
      return;
    }
    s.tailEnd = t;
    if (hasPlace) {
      s.tailLat = lat;
      s.tailLon = lon;
    }
    if (t - s.tripEnd >= rules.tripStopMs) {
      closeTrip(s, vehicle, false);
    }
  }

  private boolean who(Vehicle s, Telemetry m, String vehicleClass, boolean first) {
    String driver =
        m.driverId == null || m.driverId.isEmpty() ? "unknown:" + m.vehicleId : m.driverId;
    String fleet = m.fleetId == null || m.fleetId.isEmpty() ? "default" : m.fleetId;
    boolean otherDriver = !driver.equals(s.driver);
    boolean others = otherDriver || !fleet.equals(s.fleet);
    if (others && !first) {
      if (!s.part.isEmpty()) {
        if (s.minute == null) {
          s.minute = new Sums();
        }
        s.minute.add(s.part);
        hold(s);
      }
      tell(s);
      if (otherDriver) {
        harsh.close(s, m.vehicleId);
        episodes.endSpeeding(s, m.vehicleId);
        episodes.endIdling(s, m.vehicleId);
        if (s.tripStart != Vehicle.NONE) {
          closeTrip(s, m.vehicleId, true);
        }
      }
    }
    s.driver = driver;
    s.fleet = fleet;
    s.vehicleClass = vehicleClass;
    return others;
  }

  private long distanceWithoutSpeed(Vehicle s, long gap, double odometer, double lat, double lon) {
    long plausible = (long) (rules.plausibleKmh * gap * UM_PER_KMH_MS);
    double driven = odometer - s.lastOdometer; // NaN where one is missing
    if (driven >= 0 && driven * 1e6 <= plausible) {
      return (long) (driven * 1e6 + 0.5);
    }
    double moved = HarshEvents.haversine(s.lastLat, s.lastLon, lat, lon) * 1e6;
    return moved <= plausible ? (long) (moved + 0.5) : -1;
  }

  private void cover(Vehicle s, String vehicle, long begin, long end, int kind, int band, long um) {
    long span = end - begin;
    long told = 0;
    for (long at = begin; at < end; ) {
      long minute = at - at % MINUTE_MS;
      if (s.minuteStart != minute) {
        openMinute(s, vehicle, minute);
      }
      long until = Math.min(minute + MINUTE_MS, end);
      long upto = until == end ? um : um * (until - begin) / span;
      s.part.span(kind, band, until - at, upto - told);
      s.minuteDirty = true;
      told = upto;
      at = until;
    }
  }

  private void openMinute(Vehicle s, String vehicle, long start) {
    if (s.minuteDirty) {
      emitMinute(s, vehicle);
    }
    s.minuteStart = start;
    s.minuteDriver = s.driver;
    s.minuteFleet = s.fleet;
    s.minuteLat = s.minuteLon = Double.NaN;
  }

  private void emitMinute(Vehicle s, String vehicle) {
    Sums total = s.part;
    if (s.minute != null) {
      total = s.minute;
      total.add(s.part);
      s.minute = null;
    }
    rows.minute(vehicle, s, total);
    s.minuteDirty = false;
    if (!s.part.isEmpty()) {
      hold(s);
    }
  }

  /** Takes the driver's part of the open minute to his hour. */
  private void hold(Vehicle s) {
    long hour = s.minuteStart - s.minuteStart % HOUR_MS;
    if (s.held != null && s.held.hour != hour) {
      tell(s);
    }
    if (s.held == null) {
      s.held = new Part();
      s.held.driver = s.driver;
      s.held.fleet = s.fleet;
      s.held.hour = hour;
    }
    s.held.sums.add(s.part);
    s.part.clear();
  }

  private void tell(Vehicle s) {
    if (s.held != null) {
      parts.accept(s.held);
      s.held = null;
    }
  }

  private void openTrip(Vehicle s, long t, double lat, double lon) {
    s.tripStart = s.tripEnd = t;
    s.tripStartLat = s.tripEndLat = lat;
    s.tripStartLon = s.tripEndLon = lon;
    s.trip.clear();
    noTail(s);
  }

  private void noTail(Vehicle s) {
    s.tail.clear();
    s.tailLat = s.tailLon = Double.NaN;
  }

  private void keepTail(Vehicle s) {
    s.trip.add(s.tail);
    s.tripEnd = s.tailEnd;
    if (s.tailLat == s.tailLat) {
      s.tripEndLat = s.tailLat;
      s.tripEndLon = s.tailLon;
    }
    noTail(s);
  }

  private void closeTrip(Vehicle s, String vehicle, boolean withTail) {
    episodes.endSpeeding(s, vehicle);
    if (withTail && s.tail.n > 0) {
      keepTail(s);
    }
    rows.trip(vehicle, s);
    s.tripStart = Vehicle.NONE;
    noTail(s);
  }
}
