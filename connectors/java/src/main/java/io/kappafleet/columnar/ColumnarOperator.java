package io.kappafleet.columnar;

import io.kappafleet.columnar.ColumnarSpec.Limits;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.python.PythonOptions;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.io.network.partition.consumer.InputGate;
import org.apache.flink.runtime.state.VoidNamespace;
import org.apache.flink.runtime.state.VoidNamespaceSerializer;
import org.apache.flink.runtime.state.heap.HeapKeyedStateBackend;
import org.apache.flink.streaming.api.graph.StreamConfig;
import org.apache.flink.streaming.api.operators.InternalTimeServiceManager;
import org.apache.flink.streaming.api.operators.InternalTimer;
import org.apache.flink.streaming.api.operators.InternalTimerService;
import org.apache.flink.streaming.api.operators.Output;
import org.apache.flink.streaming.api.operators.Triggerable;
import org.apache.flink.streaming.api.operators.python.embedded.AbstractEmbeddedPythonFunctionOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.tasks.StreamTask;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;

/**
 * Decodes log records to columns, gives mini-batches of them to a job's Python function with the
 * state of their keys, and sends the rows it returns on. Where the records come from, and what else
 * comes, is the matter of its two forms.
 *
 * <p>A mini-batch ends at a number of messages, of bytes of them and of their keys' states, after a
 * delay, at a checkpoint barrier, a watermark and the end of input. The function's results must not
 * depend on where. Each key has one row of state and one event-time timer; timers that a watermark
 * fires reach the function together, before the watermark is sent on.
 *
 * <p>It is a subclass of Flink's embedded operator, because only such an operator is given the
 * Python configuration when the job graph is made.
 */
abstract class ColumnarOperator extends AbstractEmbeddedPythonFunctionOperator<byte[]>
    implements Triggerable<String, VoidNamespace> {
  private static final long serialVersionUID = 1L;

  /** How many fired timers are given to Python at once. */
  private static final int MAX_FIRED = 8192;

  /** The same for a function whose keys may each have much state. */
  private static final int MAX_FIRED_WITH_TAILS = 512;

  /** What the state rows and tails of a mini-batch may take: keys with much state make it end. */
  private static final long MAX_STATE_BYTES = 12 << 20;

  /** Rounds of timers at one watermark in which none moved forward, before the job fails. */
  private static final int MAX_IDLE_ROUNDS = 16;

  private final String specJson;

  private transient ColumnarSpec spec;
  private transient ColumnBatch batch;
  private transient MessageDecoder decoder;
  private transient RejectFrames rejects;
  private transient Arena arena;
  private transient PythonFunction function;
  private transient KeyedRows rows;
  private transient RowOutputs outputs;
  private transient ColumnarMetrics metrics;
  private transient InternalTimerService<VoidNamespace> timers;
  private transient List<String> firedKeys;
  private transient long[] firedTimes;
  private transient int maxFired;
  private transient int idleRounds;
  private transient BatchTimer timer;

  ColumnarOperator(String specJson) {
    super(new Configuration());
    this.specJson = specJson;
  }

  /**
   * Looks at its chain here, because Flink forgets the chain's configuration before {@link #open}.
   */
  @Override
  protected void setup(
      StreamTask<?, ?> task, StreamConfig config, Output<StreamRecord<byte[]>> output) {
    ChainedPython.refuse(task.getConfiguration(), task.getUserCodeClassLoader());
    super.setup(task, config, output);
  }

  @Override
  public void open() throws Exception {
    spec = ColumnarSpec.parse(specJson);
    batch = new ColumnBatch(spec.message());
    decoder = new MessageDecoder(spec.message(), batch);
    rejects = new RejectFrames(spec.rejectTable(), spec.tables().get(spec.rejectTable()));
    arena = new Arena();
    firedKeys = new ArrayList<>();
    firedTimes = new long[64];
    metrics = new ColumnarMetrics(getMetricGroup());
    timers = getInternalTimerService("columnar", VoidNamespaceSerializer.INSTANCE, this);
    timer =
        new BatchTimer(
            getProcessingTimeService(),
            spec.limits().maxDelayMs(),
            this::inputWaits,
            this::invokeFinishBundle);
    // There is no other way to run this operator, whatever the environment's default is.
    config.set(PythonOptions.PYTHON_EXECUTION_MODE, "thread");
    PythonStart.forgetInterruption();
    try {
      super.open();
    } catch (InterruptedException e) {
      throw e;
    } catch (Exception | LinkageError e) {
      // Flink's default is to restart for ever, and what is missing now will be missing then.
      throw new SuppressRestartsException(e);
    }
  }

  @Override
  public void openPythonInterpreter() {
    int subtask = getRuntimeContext().getTaskInfo().getIndexOfThisSubtask();
    function = new PythonFunction(interpreter, spec, specJson, subtask);
    FunctionLayout layout = function.layout();
    outputs = new RowOutputs(spec, layout, output);
    metrics.declare(layout.counters());
    maxFired = layout.tailGrowth() == null ? MAX_FIRED : MAX_FIRED_WITH_TAILS;
    KeyStore store = null;
    if (layout.usesStore()) {
      store = new KeyStore(this::setCurrentKey, bytesByKey("store"));
      function.use(store);
    }
    // On the heap a state is an object that stays where it is; packing it would cost and save
    // nothing.
    boolean packs = !(getKeyedStateBackend() instanceof HeapKeyedStateBackend);
    rows =
        new KeyedRows(
            this::setCurrentKey, bytesByKey("row"), timers, function, layout, store, packs);
  }

  private ValueState<byte[]> bytesByKey(String name) {
    return getRuntimeContext()
        .getState(new ValueStateDescriptor<>(name, BytePrimitiveArraySerializer.INSTANCE));
  }

  /** The job's function, once it is open. */
  final PythonFunction function() {
    return function;
  }

  /** Keys are set once for each distinct key of a batch, not for each record. */
  @Override
  public final void setKeyContextElement1(StreamRecord record) {}

  /** Takes a record into the open mini-batch. */
  final void take(Tuple5<String, byte[], String, Long, Long> record) throws Exception {
    try {
      decoder.decode(record.f0, record.f1, record.f4, record.f3);
    } catch (Reject reject) {
      emitReject(record.f1, record.f2, record.f3, record.f4, reject.getMessage());
      return;
    }
    batch.keep(record.f1, record.f2);
    elementCount = batch.messages();
    if (elementCount == 1) {
      timer.opened();
    }
    Limits limits = spec.limits();
    if (elementCount >= limits.maxMessages()
        || batch.bytes() >= limits.maxBytes()
        || rows.room(batch) >= MAX_STATE_BYTES) {
      invokeFinishBundle();
    }
  }

  final void emitReject(byte[] body, String source, long offset, long arrivalMs, String reason) {
    metrics.rejects.inc();
    output.collect(new StreamRecord<>(rejects.encode(body, source, offset, arrivalMs, reason)));
  }

  /** Whether the network has brought messages that wait to be read; if unknown, they do. */
  private boolean inputWaits() {
    InputGate[] gates = getContainingTask().getEnvironment().getAllInputGates();
    for (InputGate gate : gates) {
      if (gate.isAvailable()) {
        return true;
      }
    }
    return gates.length == 0;
  }

  /** Is called before each call of the function with messages, and before each snapshot. */
  void beforeBundle() throws Exception {}

  @Override
  protected final void invokeFinishBundle() throws Exception {
    beforeBundle();
    if (batch.messages() > 0) {
      flushBatch();
    }
    if (!firedKeys.isEmpty()) {
      flushTimers();
    }
    elementCount = 0;
    if (bundleFinishedCallback != null) {
      bundleFinishedCallback.run();
    }
  }

  private void flushBatch() throws Exception {
    List<String> keys = batch.keys();
    long bytes = BatchSections.bytes(batch) + rows.bytes(keys.size());
    arena.begin(
        BatchSections.headerWords(batch) + rows.headerWords(),
        bytes,
        BatchSections.sections(batch) + rows.sections());
    BatchSections.write(batch, timers.currentWatermark(), arena);
    rows.gather(keys, batch, arena);
    attachIfMoved();
    long started = System.nanoTime();
    FunctionResult result = function.batch(keys);
    metrics.pythonNanos.inc(System.nanoTime() - started);
    rows.scatter(keys, arena, result, false);
    for (FunctionResult.Rejected rejected : result.rejects()) {
      int m = rejected.message();
      emitReject(
          batch.body(m),
          batch.source(m),
          batch.offsets()[m],
          batch.arrivals()[m],
          rejected.reason());
    }
    outputs.emit(result, keys);
    metrics.batches.inc();
    metrics.messages.inc(batch.messages());
    metrics.samples.inc(batch.sampleCount());
    metrics.add(result.counters());
    batch.clear();
    timer.closed();
  }

  private void flushTimers() throws IOException {
    int count = firedKeys.size();
    arena.begin(3 + rows.headerWords(), 8L * count + rows.bytes(count), 1 + rows.sections());
    arena.word(count);
    arena.word(timers.currentWatermark());
    arena.put(firedTimes, count);
    rows.gather(firedKeys, null, arena);
    attachIfMoved();
    long started = System.nanoTime();
    FunctionResult result = function.timers(firedKeys);
    metrics.pythonNanos.inc(System.nanoTime() - started);
    boolean progress = rows.scatter(firedKeys, arena, result, true);
    outputs.emit(result, firedKeys);
    metrics.timers.inc(count);
    metrics.add(result.counters());
    idleRounds = progress ? 0 : idleRounds + 1;
    if (idleRounds > MAX_IDLE_ROUNDS) {
      throw new IllegalStateException(
          "timers() of "
              + spec.module()
              + "."
              + spec.className()
              + " keeps asking for timers that have fired already, such as "
              + firedTimes[0]
              + " of key "
              + firedKeys.get(0));
    }
    firedKeys.clear();
  }

  private void attachIfMoved() {
    if (arena.hasMoved()) {
      function.attach(arena.address(), arena.size());
    }
  }

  /** Collects what a watermark fires; {@link #processWatermark} hands it over. */
  @Override
  public void onEventTime(InternalTimer<String, VoidNamespace> timer) throws Exception {
    int count = firedKeys.size();
    if (count == firedTimes.length) {
      firedTimes = Arrays.copyOf(firedTimes, count * 2);
    }
    firedTimes[count] = timer.getTimestamp();
    firedKeys.add(timer.getKey());
    elementCount = firedKeys.size();
    if (firedKeys.size() == maxFired) {
      flushTimers();
    }
  }

  @Override
  public void onProcessingTime(InternalTimer<String, VoidNamespace> timer) {}

  /**
   * Everything before the watermark of the records goes out before it: the open batch, the rows of
   * the timers it fires, and of those that their calls set and that are due as well.
   */
  final void advance(Watermark mark) throws Exception {
    invokeFinishBundle();
    idleRounds = 0;
    InternalTimeServiceManager<?> services = getTimeServiceManager().orElseThrow();
    services.advanceWatermark(mark);
    while (!firedKeys.isEmpty()) {
      flushTimers();
      services.advanceWatermark(mark);
    }
    elementCount = 0;
    output.emitWatermark(mark);
  }

  /** An idle stream must not overtake the records that came before. */
  @Override
  public final void processWatermarkStatus(WatermarkStatus status) throws Exception {
    invokeFinishBundle();
    super.processWatermarkStatus(status);
  }

  @Override
  public void close() throws Exception {
    try {
      if (function != null) {
        function.close();
        function = null;
      }
    } finally {
      super.close();
    }
  }
}
