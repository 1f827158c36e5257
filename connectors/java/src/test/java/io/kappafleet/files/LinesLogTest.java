package io.kappafleet.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lines of one schema, as the source would give them. */
class LinesLogTest {
  @TempDir Path folder;

  @Test
  void theLinesOfASchemaAreReadInTheOrderOfTheFiles() throws IOException {
    Files.writeString(
        folder.resolve("b.jsonl"),
        """
        {"schema":"a/1","n":1}

        {"schema":"b/1","n":2}
        not json
        {"n":3, "schema" : "b/1"}
        """);
    try (OutputStream file = Files.newOutputStream(folder.resolve("a.jsonl.gz"));
        OutputStream gzip = new GZIPOutputStream(file)) {
      gzip.write("{\"schema\":\"b/1\",\"n\":4}\n".getBytes(StandardCharsets.UTF_8));
    }
    List<String> read = new ArrayList<>();
    new LinesLog(folder.toString(), "b/1", 1000)
        .read(
            record ->
                read.add(
                    record.f2
                        + " "
                        + record.f3
                        + " "
                        + record.f4
                        + " "
                        + new String(record.f1, StandardCharsets.UTF_8)));
    assertThat(read)
        .containsExactly(
            "a.jsonl.gz 1 0 {\"schema\":\"b/1\",\"n\":4}",
            "b.jsonl 3 0 {\"schema\":\"b/1\",\"n\":2}",
            "b.jsonl 5 0 {\"n\":3, \"schema\" : \"b/1\"}");
  }

  @Test
  void aMissingFolderIsNamed() {
    assertThatThrownBy(() -> new LinesLog(folder + "/x", "b/1", 1000).read(record -> {}))
        .isInstanceOf(NoSuchFileException.class);
  }
}
