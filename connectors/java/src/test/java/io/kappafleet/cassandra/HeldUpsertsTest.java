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

  /** Whether each partition has replicas of its own; else all have the same. */
  private boolean alone = true;

  private final HeldUpserts held = new HeldUpserts(TABLES, key -> alone ? key : "all");

  @Test
  void rowsOfOnePartitionAreOneGroup() {
    byte[] first = a(1, 1, "x");
    byte[] other = a(2, 1, "x");
    byte[] second = a(1, 2, "x");

    for (byte[] frame : List.of(first, other, second)) {
      assertThat(held.add(frame, 0)).isNull();
    }

    assertThat(held.oldest(0, 0).frames()).containsExactly(first, second);
    assertThat(held.oldest(0, 0).frames()).containsExactly(other);
    assertThat(held.oldest(0, 0)).isNull();
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

    assertThat(held.oldest(9, 9)).isNull();
    assertThat(held.oldest(10, 10).frames()).hasSize(2);
    assertThat(held.oldest(19, 19)).isNull();
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
    assertThat(held.oldest(0, 0).frames()).containsExactly(frame);
  }

  @Test
  void partitionsWithTheSameReplicasGoTogether() {
    alone = false;
    byte[] first = a(1, 1, "x");
    byte[] other = b(2, "monday", 1);
    byte[] second = a(1, 2, "x");
    for (byte[] frame : List.of(first, other, second)) {
      held.add(frame, 0);
    }

    assertThat(held.oldest(0, 0).frames()).containsExactly(first, second, other);
    assertThat(held.isEmpty()).isTrue();
  }

  @Test
  void partitionsWithOtherReplicasAreLeftOut() {
    HeldUpserts uneven = new HeldUpserts(TABLES, key -> key.getLong(0) % 2);
    for (int id = 1; id <= 4; id++) {
      uneven.add(a(id, 1, ""), 0);
    }

    UpsertGroup odd = uneven.oldest(0, 0);
    UpsertGroup even = uneven.oldest(0, 0);

    assertThat(odd.frames()).containsExactly(a(1, 1, ""), a(3, 1, ""));
    assertThat(even.frames()).containsExactly(a(2, 1, ""), a(4, 1, ""));
  }

  @Test
  void youngerPartitionsWaitForMoreOfTheirOwn() {
    alone = false;
    held.add(a(1, 1, ""), 10);
    held.add(a(2, 1, ""), 20);
    held.add(a(3, 1, ""), 30);

    assertThat(held.oldest(10, 20).frames()).hasSize(2);
    assertThat(held.oldest(10, 40)).isNull();
  }

  @Test
  void statementOfManyPartitionsGoesBeforeCassandraWouldWarnOfIt() {
    alone = false;
    for (int id = 0; id < 25; id++) {
      held.add(a(id, 1, ""), 0);
    }
    assertThat(sizes()).containsExactly(10, 10, 5);

    for (int id = 0; id < 4; id++) {
      held.add(a(id, 1, "x".repeat(2_000)), 0);
    }
    assertThat(sizes()).containsExactly(2, 2);
  }

  @Test
  void routingKeyIsTheOneThatCassandraHashes() {
    List<String> asked = new ArrayList<>();
    HeldUpserts asking =
        new HeldUpserts(
            TABLES,
            key -> {
              byte[] bytes = new byte[key.remaining()];
              key.duplicate().get(bytes);
              asked.add(java.util.HexFormat.of().formatHex(bytes));
              return 0;
            });
    asking.add(a(1, 5, ""), 0);
    asking.add(b(1, "mon", 7), 0);
    asking.oldest(0, 0);

    assertThat(asked)
        .containsExactly("0000000000000001", "0008000000000000000700" + "00036d6f6e00");
  }

  private List<Integer> sizes() {
    List<Integer> found = new ArrayList<>();
    for (UpsertGroup next = held.oldest(Long.MAX_VALUE, Long.MAX_VALUE);
        next != null;
        next = held.oldest(Long.MAX_VALUE, Long.MAX_VALUE)) {
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
