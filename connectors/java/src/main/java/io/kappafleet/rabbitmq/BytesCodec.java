package io.kappafleet.rabbitmq;

import com.rabbitmq.stream.Codec;
import com.rabbitmq.stream.Message;
import com.rabbitmq.stream.MessageBuilder;
import io.netty.buffer.ByteBuf;

/**
 * Leaves messages as they are: {@link MessageReader} decodes them where they are sent on, while
 * their bytes are in the processor's cache, instead of in the client's thread. Reading only.
 */
final class BytesCodec implements Codec {
  @Override
  public Message decode(ByteBuf buffer, int length) {
    MessageBytes message = new MessageBytes(buffer, buffer.readerIndex(), length);
    buffer.skipBytes(length);
    return message;
  }

  @Override
  public EncodedMessage encode(Message message) {
    throw new UnsupportedOperationException("this codec only reads");
  }

  @Override
  public MessageBuilder messageBuilder() {
    throw new UnsupportedOperationException("this codec only reads");
  }
}
