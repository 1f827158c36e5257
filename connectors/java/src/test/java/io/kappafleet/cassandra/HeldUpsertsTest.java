package io.kappafleet.cassandra;

import static org.assertj.core.api.Assertions.assertThat;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class HeldUpsertsTest {
  private static final List<TableSpec> TABLES =
      TableSpec.parse(
          """
          [{"name": "a", "columns": [["id", "bigint"], ["n", "bigint"], ["note", "text"]], "key": [["id"], ["n"]]},
           {"name": "b", "columns": [["n", "bigint"], ["day", "text"], ["id", "bigint"]], "key": [["id", "day"], ["n"]]}]
          """);

  private final HeldUpserts held = new HeldUpserts(TABLES);

  @Test
  void rowsOfOnePartitionAreOneGroup() {
    byte[] first = a(1, 1, "x");
    byte[] other = a(2, 1, "x");
    byte[] second = a(1, 2, "x");

    for (byte[] frame : List.of(first, other, second)) {
      assertThat(held.add(frame, 0)).isNull();
    }

    assertThat(held.oldest(0).frames()).containsExactly(first, second);
    assertThat(held.oldest(0).frames()).containsExactly(other);
    assertThat(held.oldest(0)).isNull();
    assertThat(held.isEmpty()).isTrue();
  }

  @Test
  void partitionKeyIsOfItsColumnsWhereverTheyAre() {
    held.add(b(1, "monday", 7), 0);
    held.add(b(2, "monday", 7), 0);
    held.add(b(1, "tuesday", 7), 0);
    held.add(b(1, "monday", 8), 0);

    assertThat(sizes()).containsExactly(2, 1, 1);
  }

  @Test
  void tablesDoNotMix() {
    held.add(a(7, 1, ""), 0);
    held.add(b(1, "", 7), 0);

    assertThat(sizes()).containsExactly(1, 1);
  }

  @Test
  void groupGoesBeforeCassandraWouldWarnOfIt() {
    String note = "x".repeat(1000);
    List<byte[]> gone = new ArrayList<>();
    for (int n = 0; n < 9; n++) {
      UpsertGroup full = held.add(a(1, n, note), n);
      if (full != null) {
        assertThat(full.bytes()).isLessThan(5 * 1024);
        gone.addAll(full.frames());
      }
    }

    assertThat(gone).hasSize(8);
    assertThat(sizes()).containsExactly(1);
  }

  @Test
  void groupWithoutRoomForOneRowIsThatRow() {
    UpsertGroup first = held.add(a(1, 1, "x".repeat(10_000)), 0);
    UpsertGroup second = held.add(a(1, 2, "y"), 0);

    assertThat(first).isNull();
    assertThat(second.frames()).hasSize(1);
    assertThat(sizes()).containsExactly(1);
  }

  @Test
  void onlyWhatIsOldEnoughGoes() {
    held.add(a(1, 1, ""), 10);
    held.add(a(2, 1, ""), 20);
    held.add(a(1, 2, ""), 30);

    assertThat(held.oldest(9)).isNull();
    assertThat(held.oldest(10).frames()).hasSize(2);
    assertThat(held.oldest(19)).isNull();
  }

  @Test
  void whatIsHeldIsBounded() {
    String note = "x".repeat(1_000_000);
    int gone = 0;
    for (int n = 0; n < 40; n++) {
      gone += held.add(a(n, 1, note), n) == null ? 0 : 1;
    }

    assertThat(gone).isBetween(22, 25);
  }

  @Test
  void rowThatEndsEarlyIsHeldLikeAnyOther() {
    byte[] frame = java.util.Arrays.copyOf(a(1, 1, ""), RowFrame.HEADER_BYTES + 6);

    assertThat(held.add(frame, 0)).isNull();
    assertThat(held.oldest(0).frames()).containsExactly(frame);
  }

  private List<Integer> sizes() {
    List<Integer> found = new ArrayList<>();
    for (UpsertGroup next = held.oldest(Long.MAX_VALUE);
        next != null;
        next = held.oldest(Long.MAX_VALUE)) {
      found.add(next.frames().size());
    }
    return found;
  }

  private static byte[] a(long id, long n, String note) {
    return new RowFrame.Writer().begin(0, 5).putLong(id).putLong(n).putText(note).end();
  }

  private static byte[] b(long n, String day, long id) {
    return new RowFrame.Writer().begin(1, 5).putLong(n).putText(day).putLong(id).end();
  }
}
