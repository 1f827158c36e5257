package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.io.IOContext;
import com.fasterxml.jackson.core.json.UTF8StreamJsonParser;
import com.fasterxml.jackson.core.sym.ByteQuadsCanonicalizer;

/**
 * Makes Jackson's parsers of bytes that are UTF-8. Jackson's own methods guess the encoding: they
 * would take a byte order mark, UTF-16 and UTF-32 as well.
 */
final class Utf8Json extends JsonFactory {
  private static final long serialVersionUID = 1L;

  Utf8Json() {
    super(
        new JsonFactoryBuilder()
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .enable(StreamReadFeature.USE_FAST_DOUBLE_PARSER)
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION));
  }

  /** A parser that shares the names it has seen with the others. */
  JsonParser open(byte[] body) {
    IOContext context = _createContext(_createContentReference(body, 0, body.length), true);
    context.setEncoding(JsonEncoding.UTF8);
    ByteQuadsCanonicalizer names =
        _byteSymbolCanonicalizer.makeChildOrPlaceholder(_factoryFeatures);
    return new UTF8StreamJsonParser(
        context, _parserFeatures, null, null, names, body, 0, body.length, 0, false);
  }
}
