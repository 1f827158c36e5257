package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.Properties;
import io.netty.buffer.ByteBuf;
import java.util.Map;

/**
 * Where the client's buffer holds an undecoded message: valid until the message handler returns.
 *
 * <p>It is a {@link Message} because the client wants one from its codec; nothing of it is decoded.
 */
final class MessageBytes implements Message {
  private final ByteBuf buffer;
  private final int index;
  final int length;

  MessageBytes(ByteBuf buffer, int index, int length) {
    this.buffer = buffer;
    this.index = index;
    this.length = length;
  }

  void copyTo(byte[] target, int at) {
    buffer.getBytes(index, target, at, length);
  }

  @Override
  public byte[] getBodyAsBinary() {
    throw new UnsupportedOperationException("not decoded");
  }

  @Override
  public Object getBody() {
    throw new UnsupportedOperationException("not decoded");
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
