package io.kappafleet.record;

/** Decodes the escapes of a JSON string. Malformed escapes are left as they stand. */
final class JsonText {
  private JsonText() {}

  static String unescape(String raw) {
    StringBuilder out = new StringBuilder(raw.length());
    for (int i = 0; i < raw.length(); i++) {
      char c = raw.charAt(i);
      if (c != '\\' || i + 1 == raw.length()) {
        out.append(c);
        continue;
      }
      char escape = raw.charAt(++i);
      switch (escape) {
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'u' -> {
          int code = hex4(raw, i + 1);
          if (code < 0) {
            out.append("\\u");
          } else {
            out.append((char) code);
            i += 4;
          }
        }
        default -> out.append(escape);
      }
    }
    return out.toString();
  }

  private static int hex4(String text, int at) {
    if (at + 4 > text.length()) {
      return -1;
    }
    int code = 0;
    for (int i = at; i < at + 4; i++) {
      int digit = Character.digit(text.charAt(i), 16);
      if (digit < 0) {
        return -1;
      }
      code = code << 4 | digit;
    }
    return code;
  }
}
