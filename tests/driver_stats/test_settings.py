"""Parameters: their defaults are contracts, and a wrong one is refused in one line."""

from __future__ import annotations

import pytest

from conf.parameters import ParameterError
from jobs.driver_stats.settings import Settings
from jobs.driver_stats.vehicle_operator import NEVER_MS, kernel_parameters

CONTRACT = {
    "trip.gap_s": 300,
    "trip.stop_s": 300,
    "standing.speed_kmh": 1,
    "idle.max_gap_s": 200,
    "sample.max_gap_s": 30,
    "watermark.delay_s": 60,
    "harsh.rearm_ratio": 0.83,
    "harsh.min_speed_kmh": 10,
    "harsh.corner_min_speed_kmh": 30,
    "window.allowed_lateness_s": 604_800,
    "clock.max_ahead_s": 300,
}


@pytest.mark.parametrize(("name", "value"), CONTRACT.items())
def test_defaults_are_the_contracts(name, value):
    group, leaf = name.split(".")
    assert getattr(getattr(Settings.load(), group), leaf) == value


def test_an_override_replaces_one_value():
    assert Settings.load(["trip.stop_s=0"]).trip.stop_s == 0
    assert Settings.load(["harsh.classes.van.accel_ms2=3"]).harsh.classes["van"].accel_ms2 == 3


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("trip.stop=1", "there is no parameter trip.stop"),
        ("nonsense.x=1", "there is no parameter nonsense.x"),
        ("trip.stop_s.x=1", "there is no parameter trip.stop_s.x"),
        ("trip.stop_s=-1", "parameter trip.stop_s: Input should be greater than or equal to 0"),
        ("trip.stop_s=[1", r"--set trip.stop_s=\[1: \[1 is not YAML: expected ',' or '\]'"),
        ("trip.stop_s=2026-13-45", "2026-13-45 is not YAML: month must be in 1..12"),
        ("window.allowed_lateness_s=1e300", "window.allowed_lateness_s: .*a number is at most 1e.15"),
        ("trip.stop_s=soon", "parameter trip.stop_s: Input should be a valid number"),
        ("trip.stop_s=.nan", "parameter trip.stop_s: Input should be a finite number"),
        ("sample.max_gap_s=86400", "parameter sample.max_gap_s: Input should be less than or equal to 3600"),
        ("trip.stop_s", "write it as name=value"),
        ("trip={}", "there is no parameter trip|not a mapping"),
        ("local_time.zone=Mars/Olympus", "parameter local_time.zone: .*Mars/Olympus is no time zone"),
        ("local_time.zones=UTC", "there is no parameter local_time.zones"),
        ("hours_eu_561_2006_1.x=1", "there is no parameter hours_eu_561_2006_1.x"),
        ("harsh.default_class=tank", "default_class tank is none of van_light"),
    ],
)
def test_a_wrong_override_is_refused_with_a_reason(override, told):
    with pytest.raises(ParameterError, match=told):
        Settings.load([override])


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().trip.stop_s = 1


def test_state_is_kept_a_day_longer_than_messages_may_be_late_or_for_ever():
    assert Settings.load().keep_ms() == (604_800 + 86_400) * 1000
    everlasting = Settings.load(["window.allowed_lateness_s=0"])
    assert everlasting.keep_ms() is None
    assert kernel_parameters(everlasting, live=True).vehicle_ttl_ms == NEVER_MS


def test_thresholds_are_by_class_and_an_override_holds_for_all():
    rows = kernel_parameters(Settings.load(["harsh.brake_ms2=2"]), live=True).thresholds
    assert rows.tolist()[:3] == [
        [3.63, 2, 3.73, 24.516625],
        [3.43, 2, 3.43, 24.516625],
        [4.4, 2, 5.5, 24.516625],
    ]


def test_each_file_of_conf_has_its_section():
    settings = Settings.load(
        ["local_time.fleets.f=Asia/Kolkata", "hours.classes.van=us_fmcsa_property_1",
         "hours_us_fmcsa_property_1.driving_s=36000", "trip.stop_s=0"]
    )  # fmt: skip
    assert (settings.local_time.zone_of("f"), settings.local_time.zone_of("g")) == ("Asia/Kolkata", "UTC")
    assert list(settings.hours_rules) == ["eu_561_2006_1", "us_fmcsa_property_1"]
    assert settings.hours_rules["us_fmcsa_property_1"].driving_s == 36000
    assert Settings.model_validate(settings.model_dump()) == settings
    assert {"van_light", "van", "truck", "bus"} <= set(settings.vehicle_classes())


def test_classes_keep_their_places():
    """A vehicle's class is an index in its state."""
    assert Settings.load().vehicle_classes()[:3] == ("van_light", "van", "strict_log")
