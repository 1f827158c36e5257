package io.kappafleet.columnar;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * Makes the row of the reject table for a refused message.
 *
 * <p>The columns are known by their names ({@code day, source, received_at, offset, reason, body,
 * length, sha256}); others stay unset. Everything comes from the message and the log, nothing from
 * the wall clock, so that a replay writes the same row.
 */
final class RejectFrames {
  /** How much of a refused message is kept. */
  static final int BODY_BYTES = 64 * 1024;

  private final int table;
  private final List<TableSpec.Column> columns;
  private final RowFrame.Writer frame = new RowFrame.Writer();
  private final UtcTexts utc = new UtcTexts();
  private final MessageDigest sha256;

  RejectFrames(int table, TableSpec spec) {
    this.table = table;
    this.columns = spec.columns();
    try {
      sha256 = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  byte[] encode(byte[] body, String source, long offset, long arrivalMs, String reason) {
    frame.begin(table, Math.max(1, arrivalMs * 1000));
    for (TableSpec.Column column : columns) {
      switch (column.name()) {
        case "day" -> putDay(arrivalMs, column.type());
        case "source" -> frame.putText(source);
        case "received_at" -> frame.putLong(arrivalMs);
        case "offset" -> putInteger(offset, column.type());
        case "reason" -> frame.putText(reason);
        case "body" -> frame.putBytes(body, 0, Math.min(body.length, BODY_BYTES));
        case "length" -> putInteger(body.length, column.type());
        case "sha256" -> putDigest(sha256.digest(body), column.type());
        default -> frame.unset();
      }
    }
    return frame.end();
  }

  private void putDay(long ms, String type) {
    if (type.equals("date")) {
      frame.putInt((int) (UtcTexts.epochDay(ms) + (1L << 31)));
    } else {
      frame.putText(utc.day(ms));
    }
  }

  private void putInteger(long value, String type) {
    if (type.equals("int")) {
      frame.putInt(Math.toIntExact(value));
    } else {
      frame.putLong(value);
    }
  }

  private void putDigest(byte[] digest, String type) {
    if (type.equals("blob")) {
      frame.putBytes(digest, 0, digest.length);
    } else {
      frame.putText(HexFormat.of().formatHex(digest));
    }
  }
}
