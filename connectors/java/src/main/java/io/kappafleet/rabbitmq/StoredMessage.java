package io.kappafleet.rabbitmq;

/**
 * A message of a {@link ReceivedChunk}: where its bytes are, and what the client told about it.
 * Filled anew for each message, so it is valid until the next one is asked for.
 */
final class StoredMessage {
  byte[] bytes;
  int from;
  int to;
  long offset;

  /** When the broker received the message's chunk, epoch milliseconds. */
  long arrivalMs;
}
