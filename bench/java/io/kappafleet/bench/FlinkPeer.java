package io.kappafleet.bench;

import io.kappafleet.files.JsonLinesSource;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.Encoder;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * The same statistics as a Flink job by hand in Java: {@code FlinkPeer INPUT FOLDER SETTINGS}.
 *
 * <p>Our file source (bytes and key, no text), Jackson's streaming parser with the fast parser of
 * numbers, state as objects on the heap, object reuse, no checkpoints, Flink's own file sink.
 */
public final class FlinkPeer {
  private static final long END_MS = 4_102_444_800_000L; // a timer there fires as the input ends
  private static final OutputTag<Part> PARTS =
      new OutputTag<>("parts", TypeInformation.of(Part.class));

  private FlinkPeer() {}

  public static void main(String[] args) throws Exception {
    Configuration flink = new Configuration();
    // As ours.
    flink.setString("taskmanager.memory.segment-size", "128kb");
    flink.setString("taskmanager.memory.network.min", "128m");
    flink.setString("taskmanager.memory.network.max", "128m");
    flink.setString("pipeline.object-reuse", "true");
    flink.setString("parallelism.default", "1");
    flink.setString("restart-strategy.type", "none");
    flink.setString("rest.bind-address", "127.0.0.1");
    flink.setString("jobmanager.bind-host", "127.0.0.1");
    flink.setString("taskmanager.bind-host", "127.0.0.1");
    StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(flink);
    Rules rules = new Rules(args[2]);
    SingleOutputStreamOperator<String> vehicles =
        env.fromSource(
                new JsonLinesSource(args[0], "vehicle_id", 16 << 20),
                WatermarkStrategy.noWatermarks(),
                "lines")
            .keyBy(record -> record.f0, Types.STRING)
            .process(new Vehicles(rules))
            .returns(Types.STRING);
    SingleOutputStreamOperator<String> drivers =
        vehicles
            .getSideOutput(PARTS)
            .keyBy(part -> part.driver, Types.STRING)
            .process(new Drivers(rules))
            .returns(Types.STRING);
    Encoder<String> lines =
        (row, stream) -> {
          stream.write(row.getBytes(StandardCharsets.UTF_8));
          stream.write('\n');
        };
    vehicles.union(drivers).sinkTo(FileSink.forRowFormat(new Path(args[1]), lines).build());
    env.execute("hand-written Java");
  }

  /** Statistics by vehicle: rows, and the drivers' parts beside them. */
  private static final class Vehicles
      extends KeyedProcessFunction<String, Tuple5<String, byte[], String, Long, Long>, String> {
    private static final long serialVersionUID = 1L;

    private final Rules rules;
    private transient ValueState<Vehicle> state;
    private transient Telemetry message;
    private transient VehicleStatistics statistics;
    private transient List<String> rows;
    private transient List<Part> parts;

    Vehicles(Rules rules) {
      this.rules = rules;
    }

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(new ValueStateDescriptor<>("vehicle", Vehicle.class));
      message = new Telemetry();
      rows = new ArrayList<>();
      parts = new ArrayList<>();
      statistics = new VehicleStatistics(rules, new Rows(rules, rows::add), parts::add);
    }

    @Override
    public void processElement(
        Tuple5<String, byte[], String, Long, Long> record, Context context, Collector<String> out)
        throws Exception {
      Vehicle vehicle = state.value();
      if (vehicle == null) {
        vehicle = new Vehicle();
        context.timerService().registerEventTimeTimer(END_MS);
        state.update(vehicle); // the heap keeps the object itself
      }
      message.parse(record.f1);
      statistics.fold(vehicle, message);
      tell(context, out);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<String> out)
        throws Exception {
      statistics.finish(state.value(), context.getCurrentKey());
      tell(context, out);
    }

    private void tell(Context context, Collector<String> out) {
      if (!rows.isEmpty()) {
        rows.forEach(out::collect);
        rows.clear();
      }
      if (!parts.isEmpty()) {
        parts.forEach(part -> context.output(PARTS, part));
        parts.clear();
      }
    }
  }

  /** Hours, days and weeks by driver. */
  private static final class Drivers extends KeyedProcessFunction<String, Part, String> {
    private static final long serialVersionUID = 1L;

    private final Rules rules;
    private transient ValueState<Windows> state;

    Drivers(Rules rules) {
      this.rules = rules;
    }

    @Override
    public void open(OpenContext context) {
      state = getRuntimeContext().getState(new ValueStateDescriptor<>("windows", Windows.class));
    }

    @Override
    public void processElement(Part part, Context context, Collector<String> out) throws Exception {
      Windows windows = state.value();
      if (windows == null) {
        windows = new Windows();
        context.timerService().registerEventTimeTimer(END_MS);
        state.update(windows);
      }
      windows.add(part);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<String> out)
        throws Exception {
      Rows rows = new Rows(rules, out::collect);
      state.value().finish(context.getCurrentKey(), rules.rollingDays, rows);
    }
  }
}
