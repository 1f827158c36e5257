package io.kappafleet.bench;

/** A score: points lost by events in so many kilometres, and by percents of time speeding. */
final class Score {
  private static final double QUANTUM = 1 << 20;

  private final Rules rules;

  /** NaN without a score, as the terms are. */
  double value;

  double unclamped;
  double events;
  double speeding;
  double idle;
  String band;

  Score(Rules rules) {
    this.rules = rules;
  }

  /** Scores a trip or window. */
  Score of(Sums sums) {
    if (sums.distanceUm <= 0 || sums.distanceUm < rules.minScoreUm) {
      value = unclamped = events = speeding = idle = Double.NaN;
      band = null;
      return this;
    }
    double perEvent = rules.eventsPerKm * 1e9 / sums.distanceUm;
    events =
        rounded(rules.eventWeights[0] * sums.scoredAccel * perEvent)
            + rounded(rules.eventWeights[1] * sums.scoredBrake * perEvent)
            + rounded(rules.eventWeights[2] * sums.scoredCorner * perEvent);
    speeding = idle = 0;
    if (sums.driveMs > 0) {
      double percent = 100.0 / sums.driveMs;
      speeding =
          rounded(rules.speedingWeights[0] * sums.minorMs * percent)
              + rounded(rules.speedingWeights[1] * sums.majorMs * percent)
              + rounded(rules.speedingWeights[2] * sums.severeMs * percent);
    }
    if (sums.idleMs > 0) {
      idle = rounded(rules.idleWeight * sums.idleMs * 100.0 / (sums.driveMs + sums.idleMs));
    }
    unclamped = 100 - (events + speeding + idle);
    value = Math.min(Math.max(unclamped, 0), 100);
    band =
        value >= rules.bands[0]
            ? "low"
            : value >= rules.bands[1] ? "mild" : value >= rules.bands[2] ? "medium" : "high";
    return this;
  }

  private static double rounded(double term) {
    return Math.rint(term * QUANTUM) / QUANTUM;
  }
}
