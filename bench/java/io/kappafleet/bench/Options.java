package io.kappafleet.bench;

import java.util.HashMap;
import java.util.Map;

/** Arguments of the form {@code name=value}. */
final class Options {
  private final Map<String, String> given = new HashMap<>();

  Options(String[] args) {
    for (String each : args) {
      int at = each.indexOf('=');
      given.put(each.substring(0, at), each.substring(at + 1));
    }
  }

  String text(String name) {
    String value = given.get(name);
    if (value == null) {
      throw new IllegalArgumentException("missing: " + name + "=");
    }
    return value;
  }

  long number(String name) {
    return Long.parseLong(text(name));
  }

  double real(String name) {
    return Double.parseDouble(text(name));
  }
}
