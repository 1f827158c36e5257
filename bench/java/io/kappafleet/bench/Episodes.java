package io.kappafleet.bench;

/** Episodes of speeding and of idling. */
final class Episodes {
  static final int OK = 0;
  static final int MINOR = 1;
  static final int MAJOR = 2;
  static final int SEVERE = 3;
  static final int UNKNOWN = 4;

  private final Rules rules;
  private final Rows rows;

  Episodes(Rules rules, Rows rows) {
    this.rules = rules;
    this.rows = rows;
  }

  /** The band of a driving sample; NaN is a speed or limit that is missing. */
  int band(double speed, double limit) {
    if (speed != speed || limit != limit) {
      return UNKNOWN;
    }
    if (speed <= limit + rules.overKmh[0]) {
      return OK; // as most are
    }
    for (int band = SEVERE; band >= MINOR; band--) {
      if (speed > limit + rules.overKmh[band - 1] && speed > limit * rules.factor[band - 1]) {
        return band;
      }
    }
    return OK;
  }

  /** A sample in a band from minor to severe, and what it covers. */
  void speeding(
      Vehicle s, long t, long span, int band, double speed, double limit, double lat, double lon) {
    Vehicle.Speeding episode = s.speeding;
    if (episode == null) {
      episode = s.speeding = new Vehicle.Speeding();
      episode.start = t - span;
    }
    episode.end = t;
    episode.n++;
    if (band >= MAJOR) {
      episode.majorMs += span;
      if (band == SEVERE) {
        episode.severeMs += span;
      }
    }
    if (speed - limit > episode.over) {
      episode.over = speed - limit;
      episode.limit = limit;
      episode.speed = speed;
      episode.lat = lat;
      episode.lon = lon;
    }
  }

  void endSpeeding(Vehicle s, String vehicle) {
    Vehicle.Speeding episode = s.speeding;
    if (episode == null) {
      return;
    }
    s.speeding = null;
    if (episode.end - episode.start >= rules.minEpisodeMs) {
      long least = Math.max(rules.minEpisodeMs, 1);
      int severity = episode.severeMs >= least ? SEVERE : episode.majorMs >= least ? MAJOR : MINOR;
      rows.speeding(vehicle, s, episode, severity, rules.speedingRule);
    }
  }

  /** A sample that stands with the engine on, and what it covers. */
  void idling(Vehicle s, long t, long span, double lat, double lon) {
    Vehicle.Idling episode = s.idling;
    if (episode == null) {
      episode = s.idling = new Vehicle.Idling();
      episode.start = t - span;
    }
    episode.n++;
    if (episode.lat != episode.lat && lat == lat && lon == lon) {
      episode.lat = lat;
      episode.lon = lon;
    }
  }

  void endIdling(Vehicle s, String vehicle) {
    Vehicle.Idling episode = s.idling;
    if (episode == null) {
      return;
    }
    s.idling = null;
    if (rules.idleEventMs > 0 && s.lastT - episode.start >= rules.idleEventMs) {
      rows.idling(vehicle, s, episode, rules.idleRule);
    }
  }
}
