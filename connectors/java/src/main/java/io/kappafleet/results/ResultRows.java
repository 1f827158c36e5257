package io.kappafleet.results;

import io.kappafleet.record.RowFrame;
import io.kappafleet.record.TableSpec;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.api.common.functions.FilterFunction;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.transformations.UnionTransformation;

/**
 * Keeps the row frames of some tables.
 *
 * <p>Of a union each part has a filter of its own, which so runs in the task that makes the rows:
 * those of other tables are not sent anywhere.
 */
public final class ResultRows implements FilterFunction<byte[]> {
  private static final long serialVersionUID = 1L;

  private final boolean[] isChosen;

  ResultRows(boolean[] isChosen) {
    this.isChosen = isChosen.clone();
  }

  @Override
  public boolean filter(byte[] frame) {
    int table = frame.length < RowFrame.HEADER_BYTES ? -1 : RowFrame.table(frame);
    // What names no table at all is refused by the sink of the tables.
    return table >= 0 && table < isChosen.length && isChosen[table];
  }

  /**
   * The rows of the routes' tables.
   *
   * @param tables as {@link TableSpec#parse} reads them, in the order of the frames' table index
   * @param routes as {@link ResultRoute#parse} reads them
   * @throws IllegalArgumentException when a route's table is none of the tables
   */
  public static DataStream<byte[]> of(DataStream<byte[]> rows, String tables, String routes) {
    Set<String> names =
        ResultRoute.parse(routes).stream().map(ResultRoute::table).collect(Collectors.toSet());
    List<TableSpec> specs = TableSpec.parse(tables);
    boolean[] isChosen = new boolean[specs.size()];
    for (int i = 0; i < isChosen.length; i++) {
      isChosen[i] = names.remove(specs.get(i).name());
    }
    if (!names.isEmpty()) {
      throw new IllegalArgumentException("there is no table " + String.join(", ", names));
    }
    ResultRows filter = new ResultRows(isChosen);
    Transformation<byte[]> made = rows.getTransformation();
    if (!(made instanceof UnionTransformation<byte[]> union)) {
      return filtered(rows, filter, "");
    }
    StreamExecutionEnvironment env = rows.getExecutionEnvironment();
    DataStream<byte[]> all = null;
    for (int i = 0; i < union.getInputs().size(); i++) {
      @SuppressWarnings("unchecked") // the inputs of a union have its type
      Transformation<byte[]> part = (Transformation<byte[]>) union.getInputs().get(i);
      DataStream<byte[]> kept = filtered(new DataStream<>(env, part), filter, "-" + i);
      all = all == null ? kept : all.union(kept);
    }
    return all;
  }

  private static DataStream<byte[]> filtered(
      DataStream<byte[]> rows, ResultRows filter, String suffix) {
    SingleOutputStreamOperator<byte[]> kept = rows.filter(filter);
    int parallelism = rows.getTransformation().getParallelism();
    if (parallelism > 0) {
      kept.setParallelism(parallelism);
    }
    return kept.uid("results-rows" + suffix).name("results: rows");
  }
}
