"""A definition is checked before anything runs; a mistake is one line that names the key and says why."""

from __future__ import annotations

import pytest
import yaml

from conf.metrics import Definition, definition
from conf.parameters import ParameterError
from jobs.metrics.settings import Settings
from kappafleet.cli import run
from schemas.tables import table
from tests.metrics.harness import defined

EXAMPLES = ["metrics_heart_rate", "metrics_log_rates", "metrics_game_events"]


def refused(tmp_path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError) as caught:
        definition(str(path))
    told = str(caught.value)
    assert "\n" not in told
    return told.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_found_by_name_and_by_path(name):
    assert definition(name) == definition(f"conf/{name}.yaml")


def test_an_example_is_found_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert definition("conf/metrics_heart_rate.yaml").id == "heart_rate@1"


def test_every_aggregate_has_a_column():
    columns = {column.name for column in table("metrics", "metric_window").columns}
    for name in EXAMPLES:
        for field in definition(name).fields.values():
            assert set(field.columns) < columns


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"windows": [{"length": "1 minute"}]}, "windows.0.length: String should match pattern"),
        ({"windows": [{"length": "5m", "slide": "2m"}]}, "windows.0: length 5m is no multiple of slide 2m"),
        ({"windows": [{"length": "8d"}]}, "windows.0: a window is at most 7d long"),
        ({"windows": [{"length": "1d", "slide": "1s"}]}, "windows.0: more than 1440 slides in a window"),
        ({"windows": [{"length": "1m"}, {"length": "60s"}]}, "windows: 60s is there twice"),
        ({"windows": []}, "windows: Tuple should have at least 1 item"),
        ({"fields": {}}, "fields: Dictionary should have at least 1 item"),
        ({"fields": {"t": {}}}, "fields: t is the time of the samples, not a value"),
        ({"fields": {"a b": {}}}, "fields.a b: String should match pattern"),
        (
            {"fields": {"v": {"aggregates": ["median"]}}},
            "fields.v.aggregates.0: Input should be 'rate', 'sum'",
        ),
        ({"fields": {"v": {"percentiles": [42]}}}, "fields.v: percentile 42 is none of 1, 5, 10,"),
        ({"fields": {"v": {"accuracy": 0.0001}}}, "fields.v: accuracy is 0 for exact, or at least 0.001"),
        (
            {"fields": {"v": {"accuracy": 0, "percentiles": [50], "min": 0, "max": 5, "decimals": 3}}},
            "fields.v: exact percentiles (accuracy 0) of 5,001 values: at most 4096;",
        ),
        ({"fields": {"v": {"min": 2, "max": 1}}}, "fields.v: min is above max"),
        (
            {"fields": {"v": {"decimals": 9}}},
            "fields.v: values up to 1e+09 leave no room for so many decimals",
        ),
        (
            {"fields": {"v": {"type": "boolean", "decimals": 1}}},
            "fields.v: a boolean has no min, max or decimals",
        ),
        ({"fields": {"v": {"colour": "red"}}}, "fields.v.colour: Extra inputs are not permitted (got 'red')"),
        (
            {"key": "samples"},
            "key and seq are two fields of the message, none called schema or samples: samples",
        ),
        ({"key": "seq"}, "key and seq are two fields of the message"),
        ({"time": "when"}, "time: Input should be 't' (got 'when')"),
        ({"stream": None}, "stream: Field required"),
        ({"seq": 3}, "seq: Input should be a valid string (got 3)"),
        (
            {"thresholds": [{"name": "x", "field": "v", "aggregate": "max", "above": 1, "below": 0}]},
            "thresholds.0: give either above or below",
        ),
        (
            {"thresholds": [{"name": "x", "field": "u", "aggregate": "max", "above": 1}]},
            "thresholds: x: there is no field u, only v",
        ),
        (
            {"thresholds": [{"name": "x", "field": "v", "aggregate": "p95", "above": 1}]},
            "thresholds: x: v has no aggregate p95, only count, rate_per_s, sum, mean, min, max, p50, p99",
        ),
        (
            {"thresholds": [{"name": "x", "field": "v", "aggregate": "max", "above": 1, "window": "2m"}]},
            "thresholds: x: there is no window 2m, only 1m",
        ),
        (
            {"thresholds": 2 * [{"name": "x", "field": "v", "aggregate": "max", "above": 1}]},
            "thresholds: x is there twice",
        ),
    ],
)
def test_a_mistake_names_the_key_and_says_why(tmp_path, changes, told):
    assert refused(tmp_path, yaml.safe_dump(defined(**changes))).startswith(told)


def test_what_is_no_mapping_or_no_yaml_is_told(tmp_path):
    assert refused(tmp_path, "- 1").startswith("a definition is a mapping with name, version, stream, key")
    assert "is not YAML" in refused(tmp_path, "a: [")
    assert "is not YAML: month must be in 1..12" in refused(tmp_path, "version: 2026-13-45")


def test_the_hash_tells_two_definitions_apart():
    one, other = (Definition.model_validate(defined(version=v)) for v in (1, 2))
    assert one.params_hash != other.params_hash


def test_the_settings_go_through_json_unchanged():
    for name in EXAMPLES:
        metric = Settings.load([f"definition={name}"]).metric
        assert Definition.model_validate_json(metric.model_dump_json(exclude_unset=True)) == metric


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "metrics needs a definition: --set definition=conf/metrics_heart_rate.yaml"),
        (["--set", "definition=nowhere.yaml"], "definition nowhere.yaml can't be read"),
        (
            ["--set", "window.lateness=1", "--set", "definition=metrics_heart_rate"],
            "there is no parameter window.lateness",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "oracle"])
def test_on_the_command_line_it_is_exit_code_2(command, given, told, tmp_path, capsys):
    ends = ["--from", f"file:{tmp_path}", "--to", f"file:{tmp_path}"]
    assert run([command, "metrics", *ends, *given]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1
