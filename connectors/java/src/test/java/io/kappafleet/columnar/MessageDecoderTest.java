package io.kappafleet.columnar;

import static io.kappafleet.columnar.Decoding.snapshot;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MessageDecoderTest {
  private static final long T = 1_700_000_000_000L;

  private final ColumnBatch batch = new ColumnBatch(Specs.telemetry());
  private final MessageDecoder decoder = new MessageDecoder(Specs.telemetry(), batch);

  @Test
  void everyDeclaredFieldBecomesAColumn() {
    accept(
        """
        {"schema": "telemetry/1", "vehicle_id": "v1", "driver_id": "ann", "fleet_id": "north",
         "seq": 7, "lat": 52.5, "samples": {"t": [1700000000000, 1700000001000],
         "speed": [1.5, null], "odometer": [12, -3e2], "ignition": [true, false]}}
        """);

    assertThat(Arrays.copyOf(batch.times(), 2)).containsExactly(T, T + 1000);
    assertThat(numbers(0)).containsExactly(1.5, Double.NaN);
    assertThat(numbers(1)).containsExactly(12, -300);
    assertThat(flags()).containsExactly(1, 0);
    assertThat(batch.lengths()[0]).isEqualTo(2);
    assertThat(text(0, 0)).isEqualTo("ann");
    assertThat(text(1, 0)).isEqualTo("north");
    assertThat(batch.integers(0)[0]).isEqualTo(7);
    assertThat(batch.numbers(0)[0]).isEqualTo(52.5);
    assertThat(batch.arrivals()[0]).isZero();
    assertThat(batch.offsets()[0]).isEqualTo(5);
    assertThat(batch.keys()).containsExactly("v1");
  }

  @Test
  void whatIsNotThereOrNullIsMissing() {
    accept(message("\"t\":[1700000000000]"));
    accept(
        """
        {"vehicle_id":"v1","driver_id":null,"fleet_id":"","seq":null,"lat":null,
         "samples":{"t":[1700000000000],"speed":null,"ignition":[null]}}
        """);

    assertThat(numbers(0)).containsExactly(Double.NaN, Double.NaN);
    assertThat(flags()).containsExactly(-1, -1);
    for (int m = 0; m < 2; m++) {
      assertThat(batch.codes(0)[m]).isEqualTo(-1);
      assertThat(batch.codes(1)[m]).isEqualTo(-1);
      assertThat(batch.integers(0)[m]).isEqualTo(Long.MIN_VALUE);
      assertThat(batch.numbers(0)[m]).isNaN();
    }
  }

  @Test
  void theOrderOfFieldsDoesNotMatter() {
    accept(
        """
        {"samples":{"ignition":[true],"speed":[9],"t":[1700000000000]},"seq":1,"vehicle_id":"v1",
         "schema":"telemetry/1"}
        """);
    assertThat(numbers(0)).containsExactly(9);
    assertThat(batch.integers(0)[0]).isEqualTo(1);
  }

  @Test
  void unknownFieldsAreSkippedWhateverTheyHold() {
    accept(
        """
        {"vehicle_id":"v1","x":{"t":[1],"samples":{"speed":["a"]},"deep":[[[{"vehicle_id":"v9"}]]]},
         "y":[1,2,{"z":null}],"samples":{"rpm":[1,2,3,"four",{"t":[0]}],"t":[1700000000000]}}
        """);
    assertThat(batch.sampleCount()).isEqualTo(1);
  }

  @Test
  void escapesInNamesAndTextsAreDecoded() {
    accept(
        """
        {"vehicle\\u005fid":"v\\u0031","driver_id":"J\\u00f6rg \\"\\ud83d\\ude97\\" \\\\",
         "samples":{"\\u0074":[1700000000000],"spee\\u0064":[3]}}
        """);
    assertThat(text(0, 0)).isEqualTo("Jörg \"\uD83D\uDE97\" \\");
    assertThat(numbers(0)).containsExactly(3);
  }

  @Test
  void textsAreEncodedOnceForABatch() {
    for (int i = 0; i < 300; i++) {
      accept(
          "{\"vehicle_id\":\"v1\",\"driver_id\":\"d"
              + i % 100
              + "\",\"samples\":{\"t\":[1700000000000]}}");
    }
    assertThat(batch.dictionaries[0].size()).isEqualTo(100);
    for (int i = 0; i < 300; i++) {
      assertThat(batch.codes(0)[i]).isEqualTo(i % 100);
      assertThat(text(0, i)).isEqualTo("d" + i % 100);
    }
  }

  @Test
  void aTextMayFillItsWholeWidth() {
    String wide = "ä".repeat(32);
    accept(
        "{\"vehicle_id\":\"v1\",\"driver_id\":\"" + wide + "\",\"samples\":{\"t\":[" + T + "]}}");
    assertThat(text(0, 0)).isEqualTo(wide);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0",
        "-0.0",
        "-0",
        "12",
        "1.5",
        "0.1",
        "3.141592653589793",
        "1e-5",
        "2.5E+3",
        "399.99999999",
        "4.35",
        "0.000001",
        "123.456789012345678",
        "1e-400",
        "2.2250738585072011e-308",
        "100000e-5"
      })
  void numbersAreThoseOfTheStandardParser(String number) {
    accept(message("\"t\":[1700000000000],\"odometer\":[" + number + "]"));
    // An integer has no sign of zero, as in every JSON library; all else is bit for bit the same.
    double expected = number.equals("-0") ? 0.0 : Double.parseDouble(number);
    assertThat(Double.doubleToRawLongBits(numbers(1)[0]))
        .isEqualTo(Double.doubleToRawLongBits(expected));
  }

  @Test
  void blanksMayStandBetweenTheElements() {
    accept(
        "{\"vehicle_id\": \"v1\", \"samples\": {\"t\": [1700000000000 , 1700000000001,\n"
            + "1700000000002 ,\t1700000000003, 1700000000004 ], \"odometer\": [ 1 ,2, -3.5e0,\n"
            + "4 , null ]}}");
    assertThat(Arrays.copyOf(batch.times(), 5)).containsExactly(T, T + 1, T + 2, T + 3, T + 4);
    assertThat(numbers(1)).containsExactly(1, 2, -3.5, 4, Double.NaN);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "   ",
        "null",
        "[]",
        "17",
        "rubbish",
        "{",
        "{\"vehicle_id\"",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}} x",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}}{}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[NaN]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[Infinity]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[01]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1.]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[.5]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[+1]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1,]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1 2]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1,,2]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[,1]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[-]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[-01]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1.5.5]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1-2]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000,],\"speed\":[1]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000 1700000000001]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000",
        "{'vehicle_id':'v1'}",
        "{\"vehicle_id\":\"v1\" \"samples\":{}}",
        "{\"vehicle_id\":\"v1\",\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000]},\"samples\":{}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"t\":[1700000000000]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speed\":[1],\"speed\":[2]}}"
      })
  void whatIsNotOneJsonObjectIsRefused(String body) {
    refuse(body, "not_json");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'schema':'telemetry/2','vehicle_id':'v1','samples':{'t':[T]}} | wrong_schema",
        "{'schema':17,'vehicle_id':'v1','samples':{'t':[T]}} | wrong_schema",
        "{'schema':null,'vehicle_id':'v1','samples':{'t':[T]}} | wrong_schema",
        "{'schema':{},'vehicle_id':'v1','samples':{'t':[T]}} | wrong_schema",
        "{'samples':{'t':[T]}} | missing_id",
        "{'vehicle_id':'','samples':{'t':[T]}} | missing_id",
        "{'vehicle_id':null,'samples':{'t':[T]}} | missing_id",
        "{'vehicle_id':17,'samples':{'t':[T]}} | missing_id",
        "{'vehicle_id':'v2','samples':{'t':[T]}} | id_mismatch",
        "{'vehicle_id':'v','samples':{'t':[T]}} | id_mismatch",
        "{'vehicle_id':'v1\\u0000','samples':{'t':[T]}} | not_a_text",
        "{'vehicle_id':'v1','driver_id':17,'samples':{'t':[T]}} | not_a_text",
        "{'vehicle_id':'v1','driver_id':['a'],'samples':{'t':[T]}} | not_a_text",
        "{'vehicle_id':'v1','driver_id':'\\ud800x','samples':{'t':[T]}} | not_a_text",
        "{'vehicle_id':'v1','seq':'7','samples':{'t':[T]}} | not_a_number",
        "{'vehicle_id':'v1','seq':7.0,'samples':{'t':[T]}} | not_a_number",
        "{'vehicle_id':'v1','seq':99999999999999999999,'samples':{'t':[T]}} | out_of_range",
        "{'vehicle_id':'v1','seq':-9223372036854775808,'samples':{'t':[T]}} | out_of_range",
        "{'vehicle_id':'v1','lat':91,'samples':{'t':[T]}} | out_of_range",
        "{'vehicle_id':'v1','lat':'1','samples':{'t':[T]}} | not_a_number",
        "{'vehicle_id':'v1'} | missing_t",
        "{'vehicle_id':'v1','samples':null} | missing_t",
        "{'vehicle_id':'v1','samples':[]} | missing_t",
        "{'vehicle_id':'v1','samples':{}} | missing_t",
        "{'vehicle_id':'v1','samples':{'t':null}} | missing_t",
        "{'vehicle_id':'v1','samples':{'t':T}} | missing_t",
        "{'vehicle_id':'v1','samples':{'t':[]}} | missing_t",
        "{'vehicle_id':'v1','samples':{'t':[],'speed':[1]}} | missing_t",
        "{'vehicle_id':'v1','samples':{'t':['T']}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[1.0]}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T,null]}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T,1699999999999]}} | time_order",
        "{'vehicle_id':'v1','samples':{'t':[0]}} | time_out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[4291747200000]}} | time_out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[-1]}} | time_out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[99999999999999999999]}} | time_out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[T,T],'speed':[1]}} | unequal_lengths",
        "{'vehicle_id':'v1','samples':{'speed':[1,2],'t':[T]}} | unequal_lengths",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[]}} | unequal_lengths",
        "{'vehicle_id':'v1','samples':{'t':[T],'ignition':[true,true]}} | unequal_lengths",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':['1']}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[true]}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[[1]]}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[{}]}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':1}} | not_a_number",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[-0.1]}} | out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[T],'speed':[400.5]}} | out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[T],'odometer':[1e999]}} | out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[T],'odometer':[-1e999]}} | out_of_range",
        "{'vehicle_id':'v1','samples':{'t':[T],'ignition':[1]}} | not_a_boolean",
        "{'vehicle_id':'v1','samples':{'t':[T],'ignition':['true']}} | not_a_boolean"
      })
  void everyFaultHasItsCode(String body, String code) {
    refuse(body.replace('\'', '"').replace("T", Long.toString(T)), code);
  }

  @Test
  void equalTimesAndTheEdgesOfTheRangeAreAccepted() {
    accept(message("\"t\":[" + Specs.EARLIEST + "," + Specs.EARLIEST + "," + Specs.LATEST + "]"));
    accept(message("\"t\":[1700000000000,1700000000001],\"speed\":[0,400]"));
  }

  @Test
  void anIdOfMoreThan64BytesIsRefusedAndOneOf64IsNot() {
    accept(message("\"t\":[1700000000000]").replace("v1", "v".repeat(64)), "v".repeat(64), 0);
    String wide = "é".repeat(33);
    assertThat(reason(message("\"t\":[1700000000000]").replace("v1", wide), wide, 0))
        .startsWith("id_too_long: ");
  }

  @Test
  void onlyTheArrivalDecidesWhatIsTooLateOrAhead() {
    ColumnBatch columns = new ColumnBatch(Specs.telemetry(Specs.HOUR));
    MessageDecoder limited = new MessageDecoder(Specs.telemetry(Specs.HOUR), columns);
    String body = message("\"t\":[1700000000000,1700000010000]");

    assertThat(Decoding.reason(limited, body, "v1", 0)).isNull();
    assertThat(Decoding.reason(limited, body, "v1", T + Specs.HOUR)).isNull();
    assertThat(Decoding.reason(limited, body, "v1", T + Specs.HOUR + 1)).startsWith("too_late: ");
    assertThat(Decoding.reason(limited, body, "v1", T + 10_000 - 300_000)).isNull();
    assertThat(Decoding.reason(limited, body, "v1", T + 10_000 - 300_001))
        .startsWith("ahead_of_clock: ");
    assertThat(reason(body, "v1", T + 1000 * Specs.HOUR)).isNull();
  }

  @Test
  void tenMegabytesOfGarbageAreRefusedUnread() {
    byte[] garbage = new byte[10 << 20];
    new Random(1).nextBytes(garbage);
    assertThat(Decoding.reason(decoder, garbage, "v1", 0)).startsWith("too_large: ");
    assertThat(batch.messages()).isZero();
  }

  @Test
  void nestingAndNumbersWithoutEndAreRefused() {
    refuse("[".repeat(100_000), "not_json");
    refuse("{\"vehicle_id\":\"v1\",\"x\":" + "[".repeat(100_000), "not_json");
    refuse(message("\"t\":[1700000000000],\"speed\":[" + "9".repeat(100_000) + "]"), "not_json");
  }

  @Test
  void invalidUtf8IsRefused() {
    byte[] body = message("\"t\":[1700000000000]").getBytes(StandardCharsets.ISO_8859_1);
    body[16] = (byte) 0xFF;
    assertThat(Decoding.reason(decoder, body, "v1", 0)).startsWith("not_json: ");
  }

  /** Jackson would guess the encoding, if it were asked to. */
  @ParameterizedTest
  @ValueSource(strings = {"UTF-16LE", "UTF-16BE", "UTF-32BE", "UTF-32LE"})
  void onlyUtf8IsRead(String charset) {
    String body = message("\"t\":[1700000000000]");
    assertThat(Decoding.reason(decoder, body.getBytes(Charset.forName(charset)), "v1", 0))
        .startsWith("not_json: ");
    refuse("\ufeff" + body, "not_json");
  }

  /** Jackson takes a name with this byte for the same one without it, once it has seen that one. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"vehicle_id\":\"v1\",\"ÿlat\":1,\"samples\":{\"t\":[1700000000000]}}",
        "{\"vehicle_id\":\"v1\",\"sampÿles\":{\"t\":[1700000000000]}}",
        "{\"vehicle_id\":\"v1\",\"samples\":{\"t\":[1700000000000],\"speeÿÿÿd\":[1]}}",
        "{\"vehicle_id\":\"v1\",\"x\":[{\"ÿÿÿt\":1}],\"samples\":{\"t\":[1700000000000]}}"
      })
  void theNamesSeenBeforeDoNotDecide(String latin1) {
    byte[] body = latin1.getBytes(StandardCharsets.ISO_8859_1);
    String before = Decoding.reason(decoder, body, "v1", 0);

    accept(message("\"t\":[1700000000000],\"speed\":[1]").replace("{\"v", "{\"lat\":1,\"v"));

    assertThat(before).startsWith("not_json: ");
    assertThat(Decoding.reason(decoder, body, "v1", 0)).isEqualTo(before);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 15, 16, 17, 18, 19, 20, 21, 22, 23})
  void aByteThatIsNeverUtf8IsFoundWhereverItStands(int at) {
    byte[] body = " ".repeat(24).getBytes(StandardCharsets.UTF_8);
    body[at] = (byte) 0xFF;
    assertThat(Decoding.reason(decoder, body, "v1", 0)).isEqualTo("not_json: byte 0xff at " + at);
  }

  @Test
  void aReasonStaysShort() {
    String reason =
        reason(message("\"t\":[1700000000000]").replace("v1", "v".repeat(60)), "k".repeat(9999), 0);
    assertThat(reason).startsWith("id_mismatch: ").hasSizeLessThan(400);
    assertThat(reason("{\"schema\":\"" + "x".repeat(99_999) + "\"}", "v1", 0)).hasSizeLessThan(400);
  }

  private static String message(String samples) {
    return "{\"vehicle_id\":\"v1\",\"samples\":{" + samples + "}}";
  }

  private void accept(String body) {
    accept(body, "v1", 0);
  }

  private void accept(String body, String key, long arrivalMs) {
    assertThat(reason(body, key, arrivalMs)).describedAs(body).isNull();
  }

  private void refuse(String body, String code) {
    accept(message("\"t\":[1700000000000],\"speed\":[1]"));
    List<Object> before = snapshot(batch);
    assertThat(reason(body, "v1", 0)).describedAs(body).startsWith(code + ": ");
    assertThat(snapshot(batch)).isEqualTo(before);
  }

  private String reason(String body, String key, long arrivalMs) {
    return Decoding.reason(decoder, body, key, arrivalMs);
  }

  private double[] numbers(int column) {
    return Arrays.copyOf(batch.samples[column].numbers(), batch.sampleCount());
  }

  private byte[] flags() {
    return Arrays.copyOf(batch.samples[2].flags(), batch.sampleCount());
  }

  private String text(int column, int message) {
    int from = batch.codes(column)[message] * TextDictionary.WIDTH;
    byte[] values = batch.dictionaries[column].values();
    return new String(values, from, TextDictionary.WIDTH, StandardCharsets.UTF_8).replace("\0", "");
  }
}
