package io.kappafleet.bench;

/** A driver's share of a vehicle's minute, on its way to the driver's hours and days. */
public class Part {
  public String driver;
  public String fleet;
  public long minuteStart;
  public Sums sums = new Sums();
}
