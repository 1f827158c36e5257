package io.kappafleet.bench;

/** What is kept of a vehicle. NaN and {@link #NONE} stand for what is not there. */
public class Vehicle {
  public static final long NONE = Long.MIN_VALUE;

  public String driver = "";
  public String fleet = "";
  public String vehicleClass = "";
  public long lastT = NONE;
  public double lastLat = Double.NaN;
  public double lastLon = Double.NaN;
  public double lastOdometer = Double.NaN;
  public double lastHeading = Double.NaN;
  public double lastSpeed = Double.NaN;
  public boolean lastStanding;
  public byte lastIgnition = Telemetry.UNKNOWN;

  public long minuteStart = NONE;
  public boolean minuteDirty;
  public String minuteDriver = "";
  public String minuteFleet = "";
  public double minuteLat = Double.NaN;
  public double minuteLon = Double.NaN;

  /** The driver's share of the open minute. */
  public Sums part = new Sums();

  public boolean partCovered;

  /** The shares before. */
  public Sums minute = new Sums();

  public long tripStart = NONE;
  public long tripEnd;
  public double tripStartLat;
  public double tripStartLon;
  public double tripEndLat;
  public double tripEndLon;
  public Sums trip = new Sums();

  /** Standing at the end of a trip: part of it only if the vehicle goes on. */
  public Sums tail = new Sums();

  public long tailEnd;
  public double tailLat = Double.NaN;
  public double tailLon = Double.NaN;

  /** Open harsh events: accelerating, braking, cornering; null where there is none. */
  public Event accel;

  public Event brake;
  public Event corner;
  public int openEvents;

  /** A harsh event that has not ended. */
  public static class Event {
    public long start;
    public long end;
    public int n = 1;
    public double rearm;
    public double threshold;
    public double peak;
    public double lat;
    public double lon;
    public double speed;
  }
}
