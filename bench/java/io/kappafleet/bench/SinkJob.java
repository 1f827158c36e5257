package io.kappafleet.bench;

import io.kappafleet.cassandra.CassandraSink;
import io.kappafleet.record.RowFrame;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Our sink writing the same rows in a job of nothing else, with a checkpoint every 2 s: {@code
 * SinkJob host= port= keyspace= rows= in_flight= tables=FILE table= checkpoints=DIR}.
 */
public final class SinkJob {
  private static volatile long quarter;

  private SinkJob() {}

  public static void main(String[] args) throws Exception {
    Options options = new Options(args);
    long rows = options.number("rows");
    Configuration flink = new Configuration();
    flink.setString("parallelism.default", "1");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("restart-strategy.type", "none");
    flink.setString("rest.bind-address", "127.0.0.1");
    flink.setString("jobmanager.bind-host", "127.0.0.1");
    flink.setString("taskmanager.bind-host", "127.0.0.1");
    flink.setString("execution.checkpointing.interval", "2 s");
    flink.setString("execution.checkpointing.dir", options.text("checkpoints"));
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(flink);
    CassandraSink sink =
        CassandraSink.of(
            options.text("host"),
            (int) options.number("port"),
            "datacenter1",
            options.text("keyspace"),
            Files.readString(Path.of(options.text("tables"))),
            (int) options.number("in_flight"),
            60_000,
            60_000);
    env.fromSource(
            new NumberSequenceSource(0, rows - 1), WatermarkStrategy.noWatermarks(), "numbers")
        .map(new Frames(rows / 4, (int) options.number("table")))
        .returns(byte[].class)
        .sinkTo(sink);
    env.execute("our sink");
    System.out.printf(
        "{\"rows\":%d,\"steady_s\":%.3f}%n", rows, (System.nanoTime() - quarter) / 1e9);
  }

  private static final class Frames extends RichMapFunction<Long, byte[]> {
    private static final long serialVersionUID = 1L;

    private final long mark;
    private final int table;
    private transient RowFrame.Writer writer;

    Frames(long mark, int table) {
      this.mark = mark;
      this.table = table;
    }

    @Override
    public void open(OpenContext context) {
      writer = new RowFrame.Writer();
    }

    @Override
    public byte[] map(Long number) {
      if (number == mark) {
        quarter = System.nanoTime();
      }
      return new LiveRow(number).frame(writer, table);
    }
  }
}
