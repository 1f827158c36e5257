package io.kappafleet.bench;

import io.kappafleet.shaded.jackson.databind.JsonNode;
import io.kappafleet.shaded.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/** The job's parameters, as {@code jobs.driver_stats.settings.Settings} gives them as JSON. */
final class Rules implements Serializable {
  private static final long serialVersionUID = 1L;

  final long maxGapMs;
  final long idleGapMs;
  final long tripGapMs;
  final long tripStopMs;
  final double standingKmh;
  final double plausibleKmh;
  final double rearm;
  final long eventGapMs;
  final double minSpeed;
  final double cornerMinSpeed;
  final String defaultClass;

  /** Accelerating, braking, cornering. */
  final Map<String, double[]> thresholds = new HashMap<>();

  Rules(String settings) throws IOException {
    JsonNode all = new ObjectMapper().readTree(settings);
    maxGapMs = ms(all, "sample", "max_gap_s");
    idleGapMs = ms(all, "idle", "max_gap_s");
    tripGapMs = ms(all, "trip", "gap_s");
    tripStopMs = ms(all, "trip", "stop_s");
    standingKmh = all.required("standing").required("speed_kmh").asDouble();
    plausibleKmh = all.required("gps").required("max_speed_kmh").asDouble();
    JsonNode harsh = all.required("harsh");
    rearm = harsh.required("rearm_ratio").asDouble();
    eventGapMs = ms(all, "harsh", "max_gap_s");
    minSpeed = harsh.required("min_speed_kmh").asDouble();
    cornerMinSpeed = harsh.required("corner_min_speed_kmh").asDouble();
    defaultClass = harsh.required("default_class").asText();
    for (Map.Entry<String, JsonNode> each : harsh.required("classes").properties()) {
      thresholds.put(
          each.getKey(),
          new double[] {
            threshold(harsh, each.getValue(), "accel_ms2"),
            threshold(harsh, each.getValue(), "brake_ms2"),
            threshold(harsh, each.getValue(), "corner_ms2")
          });
    }
  }

  private static double threshold(JsonNode harsh, JsonNode ofClass, String name) {
    double everywhere = harsh.path(name).asDouble(0);
    return everywhere != 0 ? everywhere : ofClass.required(name).asDouble();
  }

  private static long ms(JsonNode all, String group, String name) {
    return Math.round(all.required(group).required(name).asDouble() * 1000);
  }
}
