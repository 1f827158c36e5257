package io.kappafleet.bench;

import io.kappafleet.shaded.jackson.core.JsonFactory;
import io.kappafleet.shaded.jackson.core.JsonParser;
import io.kappafleet.shaded.jackson.core.JsonToken;
import io.kappafleet.shaded.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.Arrays;

/** One message, parsed into arrays that are kept from message to message. */
final class Telemetry {
  static final byte UNKNOWN = -1;

  private static final JsonFactory JSON =
      JsonFactory.builder().enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER).build();

  String vehicleId;
  String driverId;
  String fleetId;
  String vehicleClass;
  int n;
  long[] t = new long[32];

  /** NaN where a value is missing. */
  double[] speed = new double[32];

  double[] accelX = new double[32];
  double[] accelY = new double[32];
  double[] lat = new double[32];
  double[] lon = new double[32];
  double[] heading = new double[32];
  double[] odometer = new double[32];
  double[] yawRate = new double[32];
  double[] speedLimit = new double[32];

  /** 1 on, 0 off, {@link #UNKNOWN}. */
  byte[] ignition = new byte[32];

  private int lengthOf;

  /** Takes over a message; fields that no statistic needs are skipped. */
  void parse(byte[] body) throws IOException {
    vehicleId = driverId = fleetId = vehicleClass = null;
    n = 0;
    try (JsonParser json = JSON.createParser(body)) {
      require(json.nextToken() == JsonToken.START_OBJECT);
      boolean[] present = new boolean[10];
      for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
        switch (name) {
          case "vehicle_id" -> vehicleId = json.nextTextValue();
          case "driver_id" -> driverId = json.nextTextValue();
          case "fleet_id" -> fleetId = json.nextTextValue();
          case "vehicle_class" -> vehicleClass = json.nextTextValue();
          case "samples" -> samples(json, present);
          default -> {
            json.nextToken();
            json.skipChildren();
          }
        }
      }
      require(vehicleId != null && n > 0);
      missing(present);
    }
  }

  private void samples(JsonParser json, boolean[] present) throws IOException {
    require(json.nextToken() == JsonToken.START_OBJECT);
    for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
      require(json.nextToken() == JsonToken.START_ARRAY);
      switch (name) {
        case "t" -> {
          t = longs(json, t);
          n = lengthOf;
        }
        case "speed" -> speed = numbers(json, speed, present, 0);
        case "accel_x" -> accelX = numbers(json, accelX, present, 1);
        case "accel_y" -> accelY = numbers(json, accelY, present, 2);
        case "lat" -> lat = numbers(json, lat, present, 3);
        case "lon" -> lon = numbers(json, lon, present, 4);
        case "heading" -> heading = numbers(json, heading, present, 5);
        case "odometer" -> odometer = numbers(json, odometer, present, 6);
        case "yaw_rate" -> yawRate = numbers(json, yawRate, present, 7);
        case "speed_limit" -> speedLimit = numbers(json, speedLimit, present, 8);
        case "ignition" -> {
          ignition = switches(json, ignition);
          present[9] = true;
        }
        default -> json.skipChildren();
      }
    }
  }

  private void missing(boolean[] present) {
    speed = present[0] ? speed : none(speed);
    accelX = present[1] ? accelX : none(accelX);
    accelY = present[2] ? accelY : none(accelY);
    lat = present[3] ? lat : none(lat);
    lon = present[4] ? lon : none(lon);
    heading = present[5] ? heading : none(heading);
    odometer = present[6] ? odometer : none(odometer);
    yawRate = present[7] ? yawRate : none(yawRate);
    speedLimit = present[8] ? speedLimit : none(speedLimit);
    if (!present[9]) {
      ignition = ignition.length < n ? new byte[n] : ignition;
      Arrays.fill(ignition, 0, n, UNKNOWN);
    }
  }

  private double[] none(double[] values) {
    double[] enough = values.length < n ? new double[n] : values;
    Arrays.fill(enough, 0, n, Double.NaN);
    return enough;
  }

  private long[] longs(JsonParser json, long[] into) throws IOException {
    int i = 0;
    while (json.nextToken() != JsonToken.END_ARRAY) {
      if (i == into.length) {
        into = Arrays.copyOf(into, 2 * i);
      }
      into[i++] = json.getLongValue();
    }
    lengthOf = i;
    return into;
  }

  private double[] numbers(JsonParser json, double[] into, boolean[] present, int field)
      throws IOException {
    present[field] = true;
    int i = 0;
    for (JsonToken token = json.nextToken();
        token != JsonToken.END_ARRAY;
        token = json.nextToken()) {
      if (i == into.length) {
        into = Arrays.copyOf(into, 2 * i);
      }
      into[i++] = token == JsonToken.VALUE_NULL ? Double.NaN : json.getDoubleValue();
    }
    return into;
  }

  private byte[] switches(JsonParser json, byte[] into) throws IOException {
    int i = 0;
    for (JsonToken token = json.nextToken();
        token != JsonToken.END_ARRAY;
        token = json.nextToken()) {
      if (i == into.length) {
        into = Arrays.copyOf(into, 2 * i);
      }
      into[i++] = token == JsonToken.VALUE_NULL ? UNKNOWN : (byte) (json.getBooleanValue() ? 1 : 0);
    }
    return into;
  }

  private static void require(boolean condition) throws IOException {
    if (!condition) {
      throw new IOException("this is no telemetry message");
    }
  }
}
