package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.Properties;
import java.util.Map;

/**
 * What the source needs of a message, decoded once: its bytes, key and event time.
 *
 * <p>It is the client's {@link Message} too, so that no second object is made per message; the
 * parts of a message that the codec skipped are null.
 */
final class LogMessage implements Message {
  final String key;
  final byte[] body;
  final long eventMs;

  /** Set by the subscription: the codec doesn't know them. */
  long offset;

  long arrivalMs;

  LogMessage(String key, byte[] body, long eventMs) {
    this.key = key;
    this.body = body;
    this.eventMs = eventMs;
  }

  @Override
  public byte[] getBodyAsBinary() {
    return body;
  }

  @Override
  public Object getBody() {
    return body;
  }

  @Override
  public boolean hasPublishingId() {
    return false;
  }

  @Override
  public long getPublishingId() {
    return 0;
  }

  @Override
  public Properties getProperties() {
    return null;
  }

  @Override
  public Map<String, Object> getApplicationProperties() {
    return null;
  }

  @Override
  public Map<String, Object> getMessageAnnotations() {
    return null;
  }
}
