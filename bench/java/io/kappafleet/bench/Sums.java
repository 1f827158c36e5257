package io.kappafleet.bench;

/**
 * What is added up in a minute, a trip, an hour or a day; integers, so that order does not matter.
 */
public class Sums {
  public long n;
  public long driveMs;
  public long idleMs;
  public long stoppedMs;
  public long distanceUm;
  public int accel;
  public int brake;
  public int corner;

  /** Of these events, what counts in the score. */
  public int scoredAccel;

  public int scoredBrake;
  public int scoredCorner;

  /** Driving by speeding band; what is within the limit is the rest. */
  public long unknownMs;

  public long unknownUm;
  public long minorMs;
  public long minorUm;
  public long majorMs;
  public long majorUm;
  public long severeMs;
  public long severeUm;
  public double maxKmh = -1;

  /** Adds others. */
  public void add(Sums more) {
    n += more.n;
    driveMs += more.driveMs;
    idleMs += more.idleMs;
    stoppedMs += more.stoppedMs;
    distanceUm += more.distanceUm;
    accel += more.accel;
    brake += more.brake;
    corner += more.corner;
    scoredAccel += more.scoredAccel;
    scoredBrake += more.scoredBrake;
    scoredCorner += more.scoredCorner;
    unknownMs += more.unknownMs;
    unknownUm += more.unknownUm;
    minorMs += more.minorMs;
    minorUm += more.minorUm;
    majorMs += more.majorMs;
    majorUm += more.majorUm;
    severeMs += more.severeMs;
    severeUm += more.severeUm;
    maxKmh = Math.max(maxKmh, more.maxKmh);
  }

  /** Back to nothing. */
  public void clear() {
    n = driveMs = idleMs = stoppedMs = distanceUm = 0;
    accel = brake = corner = scoredAccel = scoredBrake = scoredCorner = 0;
    unknownMs = minorMs = majorMs = severeMs = 0;
    unknownUm = minorUm = majorUm = severeUm = 0;
    maxKmh = -1;
  }

  boolean isEmpty() {
    return n == 0 && driveMs + idleMs + stoppedMs == 0;
  }

  /** Adds what a sample covers. */
  void span(int kind, int band, long ms, long um) {
    distanceUm += um;
    if (kind == VehicleStatistics.IDLE) {
      idleMs += ms;
    } else if (kind == VehicleStatistics.STOPPED) {
      stoppedMs += ms;
    } else {
      driveMs += ms;
      switch (band) {
        case Episodes.OK -> {}
        case Episodes.MINOR -> {
          minorMs += ms;
          minorUm += um;
        }
        case Episodes.MAJOR -> {
          majorMs += ms;
          majorUm += um;
        }
        case Episodes.SEVERE -> {
          severeMs += ms;
          severeUm += um;
        }
        default -> {
          unknownMs += ms;
          unknownUm += um;
        }
      }
    }
  }

  /** Adds harsh events that start; bits as {@link HarshEvents#at} gives them. */
  void count(int started) {
    accel += started & 1;
    brake += started >> 1 & 1;
    corner += started >> 2 & 1;
    scoredAccel += started >> HarshEvents.SCORED & 1;
    scoredBrake += started >> HarshEvents.SCORED + 1 & 1;
    scoredCorner += started >> HarshEvents.SCORED + 2 & 1;
  }
}
