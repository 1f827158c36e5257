package io.kappafleet.columnar;

import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.apache.flink.api.common.state.ValueState;

/**
 * A second state of each key, which the function reads and writes while a call runs, and only for
 * the keys it asks for.
 *
 * <p>The interpreter calls {@link #get} and {@link #put} on the task's own thread. Nothing is
 * thrown into it: a failure is answered as text, and kept for {@link #failure}.
 */
public final class KeyStore {
  private final Consumer<Object> setCurrentKey;
  private final ValueState<byte[]> state;
  private List<String> keys = List.of();
  private Throwable failure;

  KeyStore(Consumer<Object> setCurrentKey, ValueState<byte[]> state) {
    this.setCurrentKey = setCurrentKey;
    this.state = state;
  }

  /** Sets the keys that the running call means by their index. */
  void begin(List<String> ofCall) {
    keys = ofCall;
    failure = null;
  }

  /** Ends the call: there is no key any more. */
  void end() {
    keys = List.of();
  }

  /** What went wrong in the running call, or null. */
  Throwable failure() {
    return failure;
  }

  /** Forgets what the current key has stored. */
  void clear() {
    state.clear();
  }

  /** The stored bytes, null where there is nothing, or a text that says why they cannot be read. */
  public Object get(long keyIndex) {
    try {
      select(keyIndex);
      return state.value();
    } catch (Throwable e) {
      return told(e);
    }
  }

  /** Stores bytes, or nothing where they are empty; returns null, or why it cannot be done. */
  public Object put(long keyIndex, byte[] value) {
    try {
      select(keyIndex);
      if (value.length == 0) {
        state.clear();
      } else {
        state.update(value);
      }
      return null;
    } catch (Throwable e) {
      return told(e);
    }
  }

  private void select(long keyIndex) {
    int index = (int) Objects.checkIndex(keyIndex, (long) keys.size());
    setCurrentKey.accept(keys.get(index));
  }

  private String told(Throwable e) {
    failure = e;
    return e.toString();
  }
}
