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
    maxKmh = Math.max(maxKmh, more.maxKmh);
  }

  /** Back to nothing. */
  public void clear() {
    n = driveMs = idleMs = stoppedMs = distanceUm = 0;
    accel = brake = corner = 0;
    maxKmh = -1;
  }

  void span(int kind, long ms) {
    if (kind == VehicleStatistics.DRIVE) {
      driveMs += ms;
    } else if (kind == VehicleStatistics.IDLE) {
      idleMs += ms;
    } else {
      stoppedMs += ms;
    }
  }
}
