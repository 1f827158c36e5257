package io.kappafleet.bench;

import io.kappafleet.shaded.stream.Address;
import io.kappafleet.shaded.stream.Environment;

/** The broker of {@code host=} and {@code port=}; user and password are the environment's. */
final class Broker {
  private Broker() {}

  static Environment connect(Options options) {
    String host = options.text("host");
    int port = (int) options.number("port");
    return Environment.builder()
        .host(host)
        .port(port)
        .username(System.getenv().getOrDefault("KF_RABBITMQ_USER", "guest"))
        .password(System.getenv().getOrDefault("KF_RABBITMQ_PASSWORD", "guest"))
        .addressResolver(address -> new Address(host, port))
        .build();
  }
}
