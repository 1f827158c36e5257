package io.kappafleet.rabbitmq;

import javax.annotation.Nullable;

/**
 * What the threads of one reader tell each other about one stream: the watch writes, the task
 * thread and the metrics read.
 */
final class SplitProgress {
  /** The newest offset at the last look; -1 before it, and while the stream is empty. */
  volatile long endOffset = -1;

  /** The stream was seen quiet and read to its end; null when there is nothing new to tell. */
  @Nullable volatile QuietEnd quietEnd;

  /**
   * Nothing had come for the idle time, and the broker confirmed the end.
   *
   * @param offset the last offset of the stream, -1 for an empty one
   * @param atMs when the broker was asked, epoch milliseconds
   */
  record QuietEnd(long offset, long atMs) {}
}
