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

  /** The newest credible speed, and where it was; before the first one any speed is. */
  public double credibleKmh = Double.POSITIVE_INFINITY;

  public long credibleT;
  public double credibleLat;
  public double credibleLon;

  public long minuteStart = NONE;
  public boolean minuteDirty;
  public String minuteDriver = "";
  public String minuteFleet = "";
  public double minuteLat = Double.NaN;
  public double minuteLon = Double.NaN;

  /** The driver's share of the open minute. */
  public Sums part = new Sums();

  /** Another driver's shares before; null where there are none. */
  public Sums minute;

  /** What the driver's windows have not been told of yet: minutes of one hour. */
  public Part held;

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

  /** Open harsh events by axis; null where there is none. */
  public Event[] events = new Event[HarshEvents.AXES];

  public int openEvents;

  /** By axis, when the last event started that counts in the score. */
  public long[] counted = {NONE, NONE, NONE, NONE};

  /** Of a vehicle without an accelerometer. */
  public Fix fix;

  /** Open episodes; null where there is none. */
  public Speeding speeding;

  public Idling idling;

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
    public boolean derived;

    void peak(double value, boolean isDerived, double kmh, double atLat, double atLon) {
      peak = value;
      derived = isDerived;
      speed = kmh;
      lat = atLat;
      lon = atLon;
    }
  }

  /** The fix that the next one is compared with, and what was derived at it. */
  public static class Fix {
    public long t = NONE;
    public double kmh;
    public double heading;
    public double lat;
    public double lon;
    public double x = Double.NaN;
    public double y = Double.NaN;
  }

  /** Time in or above the two upper bands, and where the speed was furthest above the limit. */
  public static class Speeding {
    public long start;
    public long end;
    public long n;
    public long majorMs;
    public long severeMs;
    public double over = -1;
    public double limit;
    public double speed;
    public double lat;
    public double lon;
  }

  /** Where it began. */
  public static class Idling {
    public long start;
    public long n;
    public double lat = Double.NaN;
    public double lon = Double.NaN;
  }
}
