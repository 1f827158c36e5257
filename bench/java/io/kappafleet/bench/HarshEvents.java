package io.kappafleet.bench;

/** Harsh events and possible crashes, of measured or derived accelerations. */
final class HarshEvents {
  static final int ACCEL = 0;
  static final int BRAKE = 1;
  static final int CORNER = 2;
  static final int CRASH = 3;
  static final int AXES = 4;

  /** Bit of the first axis whose event counts in the score, in what {@link #at} returns. */
  static final int SCORED = AXES;

  private static final long MINUTE_MS = 60_000;
  private static final double EARTH_RADIUS_M = 6_371_008.8;
  private static final double M_PER_DEGREE = Math.toRadians(EARTH_RADIUS_M);

  private final Rules rules;
  private final Rows rows;

  HarshEvents(Rules rules, Rows rows) {
    this.rules = rules;
    this.rows = rows;
  }

  /** Whether a speed that rose by more than the slack is what a GPS made of a jump. */
  boolean isJump(Vehicle s, long t, double speed, double lat, double lon) {
    long gap = t - s.credibleT;
    return gap <= rules.maxFixGapMs
        && speed - s.credibleKmh > rules.slackKmh + rules.maxAccel * 3.6e-3 * gap
        && tooFar(s.credibleLat, s.credibleLon, lat, lon, gap, s.credibleKmh);
  }

  /** Makes {@code fix.x} and {@code fix.y} the accelerations since the fix before. */
  void derive(
      Vehicle.Fix fix,
      long t,
      double speed,
      double heading,
      double yawRate,
      double lat,
      double lon) {
    boolean begins = fix.t == Vehicle.NONE;
    long gap = begins ? rules.maxFixGapMs + 1 : t - fix.t;
    double x = Double.NaN;
    double y = Double.NaN;
    if (gap < rules.minFixGapMs) {
      if (t / MINUTE_MS == fix.t / MINUTE_MS) {
        return;
      }
      x = fix.x;
      y = fix.y;
    } else if (gap <= rules.maxFixGapMs
        && !tooFar(fix.lat, fix.lon, lat, lon, gap, Math.max(speed, fix.kmh))) {
      x = (speed - fix.kmh) / 3.6e-3 / gap;
      if (x >= -rules.maxBrake && x <= rules.maxAccel) {
        double turn = yawRate;
        if (turn != turn) {
          double more = heading - fix.heading;
          turn = (more > 180 ? more - 360 : more < -180 ? more + 360 : more) * 1e3 / gap;
        }
        y = Math.abs(speed / 3.6 * Math.toRadians(turn));
        y = y <= rules.maxCorner ? y : Double.NaN;
      } else {
        x = Double.NaN;
      }
    }
    fix.t = t;
    fix.kmh = speed;
    fix.heading = heading;
    fix.lat = lat;
    fix.lon = lon;
    fix.x = x;
    fix.y = y;
  }

  private boolean tooFar(double lat1, double lon1, double lat2, double lon2, long gap, double kmh) {
    double allowed = rules.slackM + rules.distanceRatio * kmh / 3.6e3 * gap;
    double north = (lat2 - lat1) * M_PER_DEGREE;
    double east = (lon2 - lon1) * M_PER_DEGREE;
    return north * north + east * east > allowed * allowed // not where something is NaN
        && haversine(lat1, lon1, lat2, lon2) > allowed;
  }

  /**
   * All axes at one sample.
   *
   * @param ax measured, forward; NaN where it is missing
   * @param ay measured, to the left
   * @param x measured or derived, forward
   * @param y measured or derived, without its sign
   * @return a bit for each counted axis whose event starts, from {@link #SCORED} on if it counts in
   *     the score
   */
  int at(
      Vehicle s,
      String vehicle,
      double[] thresholds,
      long t,
      long gap,
      double speed,
      double lat,
      double lon,
      double ax,
      double ay,
      double x,
      double y) {
    boolean noX = ax != ax;
    boolean noY = ay != ay;
    double crash = noX ? Math.abs(ay) : noY ? Math.abs(ax) : Math.sqrt(ax * ax + ay * ay);
    int started = axis(s, vehicle, ACCEL, thresholds, x, noX, t, gap, speed, lat, lon);
    started |= axis(s, vehicle, BRAKE, thresholds, -x, noX, t, gap, speed, lat, lon);
    started |= axis(s, vehicle, CORNER, thresholds, y, noY, t, gap, speed, lat, lon);
    axis(s, vehicle, CRASH, thresholds, crash, false, t, gap, speed, lat, lon);
    return started;
  }

  private int axis(
      Vehicle s,
      String vehicle,
      int axis,
      double[] thresholds,
      double value,
      boolean derived,
      long t,
      long gap,
      double speed,
      double lat,
      double lon) {
    Vehicle.Event event = s.events[axis];
    if (event != null) {
      if (gap <= rules.eventGapMs && value >= event.rearm) {
        event.end = t;
        event.n++;
        if (value > event.peak) {
          event.peak(value, derived, speed, lat, lon);
        }
        return 0;
      }
      rows.event(vehicle, s, event, axis, rules.harshRule);
      s.events[axis] = null;
      s.openEvents--;
    }
    double threshold = thresholds[axis];
    double least = rules.minSpeeds[axis];
    if (!(value >= threshold) || !(least == 0 || speed >= least)) {
      return 0;
    }
    event = new Vehicle.Event();
    event.start = event.end = t;
    event.rearm = rules.rearm * threshold;
    event.threshold = threshold;
    event.peak(value, derived, speed, lat, lon);
    s.events[axis] = event;
    s.openEvents++;
    if (axis == CRASH) {
      return 0;
    }
    if (s.counted[axis] != Vehicle.NONE && t - s.counted[axis] < rules.deduplicateMs) {
      return 1 << axis;
    }
    s.counted[axis] = t;
    return 1 << axis | 1 << SCORED + axis;
  }

  /** All open events are over, for another driver or for good. */
  void close(Vehicle s, String vehicle) {
    for (int axis = 0; axis < AXES; axis++) {
      if (s.events[axis] != null) {
        rows.event(vehicle, s, s.events[axis], axis, rules.harshRule);
        s.events[axis] = null;
      }
      s.counted[axis] = Vehicle.NONE;
    }
    s.openEvents = 0;
  }

  static double haversine(double lat1, double lon1, double lat2, double lon2) {
    double phi1 = Math.toRadians(lat1);
    double phi2 = Math.toRadians(lat2);
    double north = Math.sin((phi2 - phi1) / 2);
    double east = Math.sin(Math.toRadians(lon2 - lon1) / 2);
    double a = north * north + Math.cos(phi1) * Math.cos(phi2) * east * east;
    return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(a)));
  }
}
