package io.kappafleet.rabbitmq;

import io.kappafleet.record.LogRecord;

/** What {@link MessageReader} found in a message; filled anew for each. */
final class LogMessage {
  String key;
  byte[] body;
  long eventMs = LogRecord.NO_TIME;
}
