package io.kappafleet.bench;

import io.kappafleet.shaded.jackson.databind.JsonNode;
import io.kappafleet.shaded.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/**
 * The job's parameters, as {@code jobs.driver_stats.settings.Settings} gives them as JSON, and
 * under {@code ids} what rows name as their rules.
 */
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
  final String defaultClass;

  /** By axis, as {@link HarshEvents} numbers them. */
  final double[] minSpeeds;

  final Map<String, double[]> thresholds = new HashMap<>();

  /** Below these no axis is at its threshold, nor the vector of both. */
  final Map<String, double[]> levels = new HashMap<>();

  final long minFixGapMs;
  final long maxFixGapMs;
  final double maxAccel;
  final double maxBrake;
  final double maxCorner;
  final double maxKmh;
  final double distanceRatio;
  final double slackM;
  final double slackKmh;
  final long deduplicateMs;
  final String harshRule;

  /** Minor, major, severe. */
  final double[] overKmh;

  final double[] factor;

  /** NaN where there is none. */
  final double fixedKmh;

  final long minEpisodeMs;
  final String speedingRule;
  final long idleEventMs;
  final String idleRule;
  final double minScoreUm;
  final double eventsPerKm;
  final double[] eventWeights;
  final double[] speedingWeights;
  final double idleWeight;
  final double[] bands;
  final String formula;
  final String paramsHash;
  final int rollingDays;

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
    double minSpeed = harsh.required("min_speed_kmh").asDouble();
    minSpeeds = new double[] {minSpeed, minSpeed, number(harsh, "corner_min_speed_kmh"), 0};
    defaultClass = harsh.required("default_class").asText();
    JsonNode more = all.required("harsh_rules");
    double crash = number(more.required("crash"), "vector_ms2");
    for (Map.Entry<String, JsonNode> each : harsh.required("classes").properties()) {
      double[] found = {
        threshold(harsh, each.getValue(), "accel_ms2"),
        threshold(harsh, each.getValue(), "brake_ms2"),
        threshold(harsh, each.getValue(), "corner_ms2"),
        crash
      };
      thresholds.put(each.getKey(), found);
      // A vector that is so long has one axis at least that is at this level.
      double level = crash / 1.4143;
      levels.put(
          each.getKey(),
          new double[] {
            Math.min(found[0], level), Math.min(found[1], level), Math.min(found[2], level)
          });
    }
    minFixGapMs = ms(more, "derived", "min_gap_s");
    maxFixGapMs = ms(more, "derived", "max_gap_s");
    maxAccel = number(more.required("derived"), "max_accel_ms2");
    maxBrake = number(more.required("derived"), "max_brake_ms2");
    maxCorner = number(more.required("derived"), "max_corner_ms2");
    maxKmh = number(more.required("jump"), "max_kmh");
    distanceRatio = number(more.required("jump"), "distance_ratio");
    slackM = number(more.required("jump"), "slack_m");
    slackKmh = number(more.required("jump"), "slack_kmh");
    harshRule = all.required("ids").required("harsh").asText();

    JsonNode speeding = all.required("speeding");
    JsonNode severities = speeding.required("bands");
    overKmh = three(severities, "minor", "major", "severe", "over_kmh");
    factor = three(severities, "minor", "major", "severe", "over_percent");
    for (int band = 0; band < factor.length; band++) {
      factor[band] = 1 + factor[band] / 100;
    }
    fixedKmh = speeding.required("limit_kmh").asDouble(Double.NaN);
    minEpisodeMs = Math.round(number(speeding, "min_episode_s") * 1000);
    speedingRule = all.required("ids").required("speeding").asText();
    idleEventMs = ms(all, "idle", "event_s");
    idleRule = all.required("ids").required("idle").asText();

    JsonNode score = all.required("score");
    deduplicateMs = Math.round(number(score, "deduplicate_s") * 1000);
    minScoreUm = number(score, "min_km") * 1e9;
    eventsPerKm = number(score, "events_per_km");
    JsonNode weights = score.required("event_weights");
    eventWeights =
        new double[] {
          number(weights, "harsh_accel"),
          number(weights, "harsh_brake"),
          number(weights, "harsh_corner")
        };
    weights = score.required("speeding_weights");
    speedingWeights =
        new double[] {
          number(weights, "minor"), number(weights, "major"), number(weights, "severe")
        };
    idleWeight = number(score, "idle_weight");
    JsonNode risks = score.required("bands");
    bands = new double[] {number(risks, "low"), number(risks, "mild"), number(risks, "medium")};
    formula = all.required("ids").required("score").asText();
    paramsHash = all.required("ids").required("params_hash").asText();
    rollingDays = all.required("local_time").required("rolling_days").asInt();
  }

  private static double[] three(JsonNode all, String a, String b, String c, String name) {
    return new double[] {
      number(all.required(a), name), number(all.required(b), name), number(all.required(c), name)
    };
  }

  private static double number(JsonNode all, String name) {
    return all.required(name).asDouble();
  }

  private static double threshold(JsonNode harsh, JsonNode ofClass, String name) {
    double everywhere = harsh.path(name).asDouble(0);
    return everywhere != 0 ? everywhere : ofClass.required(name).asDouble();
  }

  private static long ms(JsonNode all, String group, String name) {
    return Math.round(all.required(group).required(name).asDouble() * 1000);
  }
}
