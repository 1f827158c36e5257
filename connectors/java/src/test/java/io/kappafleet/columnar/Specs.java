package io.kappafleet.columnar;

import io.kappafleet.columnar.MessageSpec.NumberField;
import io.kappafleet.columnar.MessageSpec.SampleField;
import io.kappafleet.columnar.MessageSpec.SampleField.Kind;
import java.util.List;

/** A small telemetry specification for the tests of this package. */
final class Specs {
  static final long EARLIEST = 946_684_800_000L;
  static final long LATEST = 4_102_444_800_000L;
  static final long HOUR = 3_600_000L;

  private Specs() {}

  static MessageSpec telemetry() {
    return telemetry(0);
  }

  static MessageSpec telemetry(long allowedLatenessMs) {
    return new MessageSpec(
        "telemetry/1",
        "vehicle_id",
        List.of("driver_id", "fleet_id"),
        List.of("seq"),
        List.of(new NumberField("lat", -90.0, 90.0)),
        List.of(
            new SampleField("speed", Kind.NUMBER, 0.0, 400.0),
            new SampleField("odometer", Kind.NUMBER, null, null),
            new SampleField("ignition", Kind.BOOLEAN, null, null)),
        64,
        4 << 20,
        EARLIEST,
        LATEST,
        300_000,
        allowedLatenessMs);
  }
}
