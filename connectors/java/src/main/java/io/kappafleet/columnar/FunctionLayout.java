package io.kappafleet.columnar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a job's Python function says about itself when it is opened.
 *
 * @param stateBytes size of a state row
 * @param stateVersion version of its layout
 * @param counters names of the counters it returns
 * @param outputs the layout of the rows of each output, in the order in which it returns them
 * @param tailGrowth the room that a key's tail gets in a call; null for a function without tails
 * @param usesStore whether it may ask for the {@link KeyStore}
 */
record FunctionLayout(
    int stateBytes,
    int stateVersion,
    List<String> counters,
    Map<String, RowLayout> outputs,
    TailGrowth tailGrowth,
    boolean usesStore) {

  /** Words beyond a key's present tail: always, and for each of its messages and samples. */
  record TailGrowth(int fixed, int perMessage, int perSample) {}

  static FunctionLayout parse(String json) {
    try {
      JsonNode root = new ObjectMapper().readTree(json);
      List<String> counters = new ArrayList<>();
      root.required("counters").forEach(name -> counters.add(name.asText()));
      Map<String, RowLayout> outputs = new LinkedHashMap<>();
      for (JsonNode output : root.required("outputs")) {
        Map<String, RowLayout.Field> fields = new LinkedHashMap<>();
        for (JsonNode field : output.required("fields")) {
          fields.put(
              field.required("name").asText(),
              new RowLayout.Field(
                  field.required("kind").asText().charAt(0),
                  field.required("offset").asInt(),
                  field.required("size").asInt()));
        }
        outputs.put(
            output.required("name").asText(),
            new RowLayout(output.required("bytes").asInt(), fields));
      }
      return new FunctionLayout(
          root.required("state_bytes").asInt(),
          root.required("state_version").asInt(),
          List.copyOf(counters),
          outputs,
          tailGrowth(root.required("tail_growth")),
          root.required("uses_store").asBoolean());
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("the function's layout cannot be read: " + e, e);
    }
  }

  private static TailGrowth tailGrowth(JsonNode words) {
    return words.isNull()
        ? null
        : new TailGrowth(words.get(0).asInt(), words.get(1).asInt(), words.get(2).asInt());
  }
}
