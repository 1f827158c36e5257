package io.kappafleet.rabbitmq;

import org.apache.flink.util.ExceptionUtils;

/** What lies behind a failure of one of the broker's clients. */
public final class Causes {
  private Causes() {}

  /** Whether a failure is of a type or was caused by one. */
  public static boolean has(Throwable failure, Class<? extends Throwable> type) {
    return ExceptionUtils.findThrowable(failure, type).isPresent();
  }

  /** The first line of the innermost cause that says something. */
  public static String reason(Throwable failure) {
    String said = failure.getClass().getSimpleName();
    for (Throwable each = failure; each != null; each = each.getCause()) {
      String message = each.getMessage();
      if (message != null && !message.isBlank()) {
        said = message.lines().findFirst().orElseThrow();
      }
    }
    return said;
  }
}
