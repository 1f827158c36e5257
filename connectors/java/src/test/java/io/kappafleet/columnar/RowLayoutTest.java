package io.kappafleet.columnar;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class RowLayoutTest {
  private final RowLayout.Field field = new RowLayout.Field('S', 4, 8);

  @Test
  void aTextReplacesTheOneBeforeAndNothingBesideIt() {
    byte[] rows = "....................".getBytes(StandardCharsets.UTF_8);

    field.put(rows, 2, "longer");
    field.put(rows, 2, "v-7");

    assertThat(field.text(rows, 2)).isEqualTo("v-7");
    assertThat(new String(rows, StandardCharsets.UTF_8)).isEqualTo("......v-7\0\0\0\0\0......");
  }

  @Test
  void whatDoesNotFitIsCutOff() {
    byte[] rows = new byte[16];

    field.put(rows, 0, "vehicle-12345");

    assertThat(field.text(rows, 0)).isEqualTo("vehicle-");
    assertThat(rows[12]).isZero();
  }
}
