package io.kappafleet.bench;

/**
 * A driver's share of a vehicle's minutes in an hour, on its way to the driver's hours and days.
 */
public class Part {
  public String driver;
  public String fleet;
  public long hour;
  public Sums sums = new Sums();
}
