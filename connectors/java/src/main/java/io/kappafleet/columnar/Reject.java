package io.kappafleet.columnar;

/**
 * Why a message was refused: a stable code, a colon, and what was found. Carries no stack trace.
 */
final class Reject extends Exception {
  private static final long serialVersionUID = 1L;

  Reject(String code, String detail) {
    super(code + ": " + detail, null, false, false);
  }
}
