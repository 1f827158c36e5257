package io.kappafleet.rabbitmq;

/** The bytes are no AMQP 1.0; caught inside the codec, hence without a stack trace. */
final class Malformed extends Exception {
  private static final long serialVersionUID = 1L;

  static final Malformed INSTANCE = new Malformed();

  private Malformed() {
    super("not AMQP 1.0", null, false, false);
  }
}
