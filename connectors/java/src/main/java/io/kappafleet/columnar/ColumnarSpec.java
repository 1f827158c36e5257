package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.kappafleet.record.TableSpec;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Everything that makes one columnar operator, as {@code connectors/columnar.py} writes it.
 *
 * @param module the module of the job's function
 * @param className its class
 * @param message the messages it reads
 * @param outputs where its rows go
 * @param tables the tables by index
 * @param rejectTable index of the table for refused messages
 * @param limits of one mini-batch
 */
record ColumnarSpec(
    String module,
    String className,
    MessageSpec message,
    List<OutputSpec> outputs,
    List<TableSpec> tables,
    int rejectTable,
    Limits limits) {

  /** A mini-batch ends at whichever comes first. */
  record Limits(int maxMessages, int maxBytes, long maxDelayMs) {}

  /**
   * @throws IllegalArgumentException saying what is wrong with the specification
   */
  static ColumnarSpec parse(String json) {
    ObjectMapper mapper =
        JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();
    try {
      JsonNode root = mapper.readTree(json);
      ColumnarSpec spec =
          new ColumnarSpec(
              root.required("module").asText(),
              root.required("class_name").asText(),
              mapper.treeToValue(root.required("message"), MessageSpec.class),
              List.of(mapper.treeToValue(root.required("outputs"), OutputSpec[].class)),
              TableSpec.parse(root.required("tables").toString()),
              root.required("reject_table").asInt(),
              mapper.treeToValue(root.required("limits"), Limits.class));
      spec.check();
      return spec;
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("the columnar specification cannot be read: " + e, e);
    }
  }

  private void check() {
    require(rejectTable >= 0 && rejectTable < tables.size(), "there is no table " + rejectTable);
    Set<String> names = new HashSet<>();
    for (OutputSpec output : outputs) {
      require(names.add(output.name()), "output " + output.name() + " is there twice");
      if (output.kind() == OutputSpec.Kind.TABLE) {
        checkTable(output);
      }
    }
    int topLevel =
        3 + message.texts().size() + message.integers().size() + message.numbers().size();
    require(
        message.maxIdBytes() >= 1 && message.maxIdBytes() <= TextDictionary.WIDTH,
        "max_id_bytes must be from 1 to " + TextDictionary.WIDTH);
    require(Math.max(topLevel, message.samples().size() + 1) <= 63, "at most 63 declared fields");
  }

  private void checkTable(OutputSpec output) {
    String what = "output " + output.name() + ": ";
    require(output.table() >= 0 && output.table() < tables.size(), what + "there is no such table");
    TableSpec table = tables.get(output.table());
    require(
        output.columns().size() == table.columns().size(),
        what
            + "table "
            + table.name()
            + " has "
            + table.columns().size()
            + " columns, the output "
            + output.columns().size());
    for (int i = 0; i < table.columns().size(); i++) {
      TableSpec.Column column = table.columns().get(i);
      OutputSpec.Conversion conversion = output.columns().get(i).conversion();
      require(
          fits(conversion, column.type()),
          what
              + "column "
              + table.name()
              + "."
              + column.name()
              + " is "
              + column.type()
              + " and cannot hold a "
              + conversion);
    }
  }

  private static boolean fits(OutputSpec.Conversion conversion, String cqlType) {
    return switch (conversion) {
      case KEY, TEXT, TEXT_OR_KEY, MONTH, YEAR, ENUM, CONST ->
          oneOf(cqlType, "text", "varchar", "ascii");
      case DAY -> oneOf(cqlType, "text", "varchar", "ascii", "date");
      case INT -> oneOf(cqlType, "int");
      case BIGINT -> oneOf(cqlType, "bigint");
      case DOUBLE -> oneOf(cqlType, "double");
      case TIMESTAMP, NOW -> oneOf(cqlType, "timestamp");
      case BOOLEAN -> oneOf(cqlType, "boolean");
      case UNSET -> true;
    };
  }

  private static boolean oneOf(String type, String... accepted) {
    return Arrays.asList(accepted).contains(type);
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }
}
