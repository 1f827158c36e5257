package io.kappafleet.files;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.GZIPOutputStream;

/** Gzip data for tests. */
final class GzipFiles {
  private GzipFiles() {}

  /** One member for each text. */
  static byte[] gzip(String... members) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (String member : members) {
      try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
        gzip.write(member.getBytes(StandardCharsets.UTF_8));
      }
    }
    return out.toByteArray();
  }
}
