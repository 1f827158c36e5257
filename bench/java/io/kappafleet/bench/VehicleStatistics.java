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
  private static final double EARTH_RADIUS_M = 6_371_008.8;

  private final Rules rules;
  private final Rows rows;
  private final Consumer<Part> parts;

  VehicleStatistics(Rules rules, Rows rows, Consumer<Part> parts) {
    this.rules = rules;
    this.rows = rows;
    this.parts = parts;
  }

  /** Folds one message in. */
  void fold(Vehicle s, Telemetry m) {
    String vehicle = m.vehicleId;
    boolean first = s.lastT == Vehicle.NONE;
    String vehicleClass =
        m.vehicleClass != null && rules.thresholds.containsKey(m.vehicleClass)
            ? m.vehicleClass
            : rules.defaultClass;
    double[] threshold = rules.thresholds.get(vehicleClass);
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
      double lat = m.lat[i];
      double lon = m.lon[i];
      byte ignition = m.ignition[i];
      boolean hasPlace = lat == lat && lon == lon;
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
      long minute = t - t % MINUTE_MS;
      long span = 0;
      if (covers) {
        span = gap;
        um = Math.max(um, 0);
        if (s.minuteStart == minute && t - gap >= minute) {
          s.part.distanceUm += um;
          s.part.span(kind, span);
          s.partCovered = true;
        } else {
          cover(s, vehicle, t - gap, t, kind, um);
        }
      } else {
        um = 0;
      }
      if (s.minuteStart != minute) {
        openMinute(s, vehicle, minute);
      }
      if (others) { // a minute goes by the driver of its last sample
        s.minuteDriver = s.driver;
        s.minuteFleet = s.fleet;
      }

      int accel = 0;
      int brake = 0;
      int corner = 0;
      double x = m.accelX[i];
      double y = Math.abs(m.accelY[i]);
      if (s.openEvents > 0 || x >= threshold[0] || -x >= threshold[1] || y >= threshold[2]) {
        boolean fast = rules.minSpeed == 0 || speed >= rules.minSpeed;
        Vehicle.Event was = s.accel;
        s.accel = event(s, was, 0, x, threshold[0], fast, t, gap, lat, lon, speed, vehicle);
        accel = started(was, s.accel);
        was = s.brake;
        s.brake = event(s, was, 1, -x, threshold[1], fast, t, gap, lat, lon, speed, vehicle);
        brake = started(was, s.brake);
        was = s.corner;
        fast = rules.cornerMinSpeed == 0 || speed >= rules.cornerMinSpeed;
        s.corner = event(s, was, 2, y, threshold[2], fast, t, gap, lat, lon, speed, vehicle);
        corner = started(was, s.corner);
        s.part.accel += accel;
        s.part.brake += brake;
        s.part.corner += corner;
      }

      s.part.n++;
      s.minuteDirty = true;
      if (speed > s.part.maxKmh) {
        s.part.maxKmh = speed;
      }
      if (hasPlace) {
        s.minuteLat = lat;
        s.minuteLon = lon;
      }
      if (inTrip) {
        inTrip(s, vehicle, t, kind, span, um, accel, brake, corner, speed, hasPlace, lat, lon);
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
    emitEvents(s, vehicle);
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
      long span,
      long um,
      int accel,
      int brake,
      int corner,
      double speed,
      boolean hasPlace,
      double lat,
      double lon) {
    boolean waits = rules.tripStopMs > 0 && kind != DRIVE;
    if (!waits && s.tail.n > 0) {
      keepTail(s);
    }
    Sums sums = waits ? s.tail : s.trip;
    sums.n++;
    sums.span(kind, span);
    sums.distanceUm += um;
    sums.accel += accel;
    sums.brake += brake;
    sums.corner += corner;
    if (speed > s.trip.maxKmh) {
      s.trip.maxKmh = speed;
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
      emitPart(s);
      if (otherDriver) {
        emitEvents(s, m.vehicleId);
        s.openEvents = 0;
        s.accel = s.brake = s.corner = null;
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
    double moved = haversine(s.lastLat, s.lastLon, lat, lon) * 1e6;
    return moved <= plausible ? (long) (moved + 0.5) : -1;
  }

  private static double haversine(double lat1, double lon1, double lat2, double lon2) {
    double phi1 = Math.toRadians(lat1);
    double phi2 = Math.toRadians(lat2);
    double north = Math.sin((phi2 - phi1) / 2);
    double east = Math.sin(Math.toRadians(lon2 - lon1) / 2);
    double a = north * north + Math.cos(phi1) * Math.cos(phi2) * east * east;
    return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(a)));
  }

  private void cover(Vehicle s, String vehicle, long begin, long end, int kind, long um) {
    long span = end - begin;
    long told = 0;
    for (long at = begin; at < end; ) {
      long minute = at - at % MINUTE_MS;
      if (s.minuteStart != minute) {
        openMinute(s, vehicle, minute);
      }
      long until = Math.min(minute + MINUTE_MS, end);
      long upto = until == end ? um : um * (until - begin) / span;
      s.part.span(kind, until - at);
      s.part.distanceUm += upto - told;
      s.partCovered = true;
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
    s.minute.clear();
  }

  private void emitPart(Vehicle s) {
    if (s.part.n == 0 && !s.partCovered) {
      return;
    }
    Part part = new Part();
    part.driver = s.driver;
    part.fleet = s.fleet;
    part.minuteStart = s.minuteStart == Vehicle.NONE ? 0 : s.minuteStart;
    part.sums.add(s.part);
    parts.accept(part);
    s.minute.add(s.part);
    s.part.clear();
    s.partCovered = false;
  }

  private void emitMinute(Vehicle s, String vehicle) {
    emitPart(s);
    rows.minute(vehicle, s);
    s.minuteDirty = false;
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
    if (withTail && s.tail.n > 0) {
      keepTail(s);
    }
    rows.trip(vehicle, s);
    s.tripStart = Vehicle.NONE;
    noTail(s);
  }

  private void emitEvents(Vehicle s, String vehicle) {
    Vehicle.Event[] open = {s.accel, s.brake, s.corner};
    for (int axis = 0; axis < open.length; axis++) {
      if (open[axis] != null) {
        rows.event(vehicle, s, open[axis], axis);
      }
    }
  }

  private static int started(Vehicle.Event before, Vehicle.Event after) {
    return after != null && after != before ? 1 : 0;
  }

  /** One axis at one sample: the event that is open after it. */
  private Vehicle.Event event(
      Vehicle s,
      Vehicle.Event event,
      int axis,
      double value,
      double threshold,
      boolean fast,
      long t,
      long gap,
      double lat,
      double lon,
      double speed,
      String vehicle) {
    if (event != null) {
      if (gap <= rules.eventGapMs && value >= event.rearm) {
        event.end = t;
        event.n++;
        if (value > event.peak) {
          event.peak = value;
          event.lat = lat;
          event.lon = lon;
          event.speed = speed;
        }
        return event;
      }
      rows.event(vehicle, s, event, axis);
      s.openEvents--;
    }
    if (!(value >= threshold) || !fast) {
      return null;
    }
    s.openEvents++;
    Vehicle.Event begun = new Vehicle.Event();
    begun.start = begun.end = t;
    begun.rearm = rules.rearm * threshold;
    begun.threshold = threshold;
    begun.peak = value;
    begun.lat = lat;
    begun.lon = lon;
    begun.speed = speed;
    return begun;
  }
}
