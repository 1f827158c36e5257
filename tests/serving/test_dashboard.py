"""The dashboard in a real Chromium, over a real server and Cassandra, in each of its states."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cassandra.cluster import Session

from serving.store import keyspace_of
from tests.serving.browser import Page, chromium
from tests.serving.other_tables import AREA, SENSOR, other_tables
from tests.serving.tables import FIRST, HOSTILE, JOB, insert, write
from tests.serving.test_serve_command import served

DAY = "2026-11-21"
STATIC = Path(__file__).resolve().parents[2] / "serving" / "static"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        found.look(width=1280, height=900, dark=False)
        yield found


@pytest.fixture(scope="module")
def address(filled: Session) -> Iterator[str]:
    now = datetime.now(UTC)
    insert(filled, "vehicle_live", fleet_id="north", vehicle_id="van-8", driver_id="cleo", event_time=now,
           state="driving", lat=52.52, lon=13.41, heading=80.0, speed_kmh=37.0, drive_left_min=25,
           drive_left_rule="continuous", drive_left_driver="cleo", drive_left_at=now)  # fmt: skip
    insert(filled, "fleet_day", fleet_id="north", day=str(now.date()), driver_id="cleo", distance_km=12.0)
    insert(
        filled,
        "driver_day",
        driver_id="cleo",
        month=str(now.date())[:7],
        day=str(now.date()),
        drive_left_min=99,
    )
    write(filled)
    with served("--rate", "0") as found:
        yield f"{found}/dashboard/"


def show(page: Page, address: str, view: str, day: str | None = DAY) -> None:
    """Opens a view and waits for it; no day: the current one."""
    page.open("about:blank")
    page.open(f"{address}#/{view}")
    page.wait("document.querySelector('main h1, main .state')")
    if day is not None:
        page.evaluate(
            f"(() => {{ const day = document.getElementById('day'); if (day.value !== '{day}')"
            f" {{ day.value = '{day}'; day.dispatchEvent(new Event('change')); }} }})()"
        )
    page.wait("document.querySelector('main h1, main .state') && !document.querySelector('[aria-busy]')")


def test_the_map_shows_who_is_where_and_says_that_it_is_live(page: Page, address: str) -> None:
    show(page, address, "fleet")
    page.wait("document.querySelector('.feed.live')")
    assert "2 vehicles, 1 driving" in page.text()
    page.evaluate("document.querySelector('[data-vehicle=\"van-8\"]').click()")
    assert (
        page.evaluate("document.querySelector('[data-vehicle=\"van-8\"]').getAttribute('aria-pressed')")
        == "true"
    )
    page.wait("document.querySelector('canvas').width > 300")
    painted = page.evaluate(
        "(() => { const c = document.querySelector('canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width,"
        " c.height).data; return new Set(Array.from({length: d.length / 64}, (_, i) => d[64 * i] * 65536 + d[64 * i"
        " + 1] * 256 + d[64 * i + 2])).size; })()"
    )
    assert painted > 3
    assert page.problems == []


def test_a_vehicle_that_reports_appears_without_a_reload(page: Page, address: str, filled: Session) -> None:
    show(page, address, "fleet")
    assert "van-new" not in page.text()
    insert(
        filled,
        "vehicle_live",
        fleet_id="north",
        vehicle_id="van-new",
        event_time=datetime.now(UTC),
        state="idle",
    )
    write(filled)
    try:
        page.wait("document.querySelector('[data-vehicle=\"van-new\"]')")
    finally:
        live = f"{keyspace_of(JOB, FIRST)}.vehicle_live"
        filled.execute(f"DELETE FROM {live} WHERE fleet_id = 'north' AND vehicle_id = 'van-new'")


def test_the_leaderboard_sorts_and_a_name_from_outside_is_a_text(page: Page, address: str) -> None:
    show(page, address, "drivers")
    names = "[...document.querySelectorAll('main tbody tr td:first-child')].map((each) => each.innerText)"
    assert page.evaluate(names) == ["anna", HOSTILE]
    heads = "[...document.querySelectorAll('main th button')]"
    for _ in range(2):
        page.evaluate(f"{heads}.find((each) => each.innerText.startsWith('Distance')).click()")
    assert page.evaluate(names) == [HOSTILE, "anna"]
    assert page.evaluate("document.querySelectorAll('main script').length") == 0
    assert page.problems == []


def test_a_drivers_day_has_figures_a_time_line_a_chart_and_tables(page: Page, address: str) -> None:
    show(page, address, "driver/anna")
    assert page.wait("document.querySelectorAll('.timeline .trip').length") == 1
    assert page.evaluate("document.querySelectorAll('.timeline .event').length") == 2
    assert page.wait("document.querySelectorAll('.uplot canvas').length") == 1
    assert "Harsh brake" in page.text()
    assert "100.0 km" in page.text()
    assert page.problems == []


def test_a_drivers_day_says_what_he_breathed_and_the_weather_when_he_drove_harshly(
    page: Page, address: str, filled: Session
) -> None:
    section = "[...document.querySelectorAll('main section')].find((each) => each.innerText.startsWith('{}'))"
    dust, weather = section.format("Fine dust"), section.format("Weather at")
    show(page, address, "driver/anna")
    page.wait(dust)
    assert "None: it appears here when the job driver_exposure" in str(page.evaluate(f"{dust}.innerText"))
    assert "None." in str(page.evaluate(f"{weather}.innerText"))
    with other_tables(filled):
        show(page, address, "driver/anna")
        page.wait(f"{dust}?.querySelector('tbody')")
        cells = "[...{}.querySelectorAll('tbody td')].map((each) => each.innerText)"
        assert page.evaluate(cells.format(dust)) == [
            "11:00", "1.68 µg/m³·h", "25.8 µg/m³", "–", "0:09 h", "40 %", "2",
        ]  # fmt: skip
        assert page.evaluate(cells.format(weather)) == [
            "11:00:00", "Harsh brake", "9.4 °C", "–", "–", "–", "2", "van-7",
        ]  # fmt: skip
        show(page, address, "driver/anna", "2026-11-20")
        page.wait(f"{dust}?.innerText.includes('None: ')")
    assert page.problems == []


def test_hours_of_driving_left_stand_on_the_list_the_leaderboard_and_the_drivers_day(
    page: Page, address: str
) -> None:
    show(page, address, "fleet", None)
    assert page.wait("document.querySelector('.left.soon')?.innerText") == "0:25 h of driving left"
    for view in ("drivers", "driver/cleo"):
        show(page, address, view, None)
        assert "0:25 h" in page.text(), view
        assert str(page.evaluate("document.querySelector('main [title*=continuous]').title")).endswith(
            "advisory"
        )
    assert page.problems == []


def test_rejects_show_their_reason_and_how_they_begin(page: Page, address: str) -> None:
    show(page, address, "rejects")
    assert "not JSON" in page.text()


def test_sensors_have_their_index_colours_and_flags(page: Page, address: str, filled: Session) -> None:
    with other_tables(filled):
        show(page, address, "sensors")
        row = page.wait(
            f"document.querySelector('main a[href=\"#/sensors/{SENSOR}\"]')?.closest('tr').innerText"
        )
        assert [each.strip() for each in str(row).split("\t")[:4]] == [SENSOR, AREA, "46 Good", "8.0"]
        mark = "document.querySelector('main tbody .index')"
        assert page.evaluate(f"getComputedStyle({mark}).borderLeftColor") == "rgb(0, 228, 0)"
        assert page.evaluate(f"{mark}.title") == "epa-2024: pm2_5"
        page.evaluate(f"document.querySelector('main a[href=\"#/sensors/{SENSOR}\"]').click()")
        page.wait(f"document.querySelector('main h1')?.innerText === '{SENSOR}'")
        assert page.wait("document.querySelectorAll('.uplot canvas').length") == 1
        tables = (
            "[...document.querySelectorAll('main table:not(.u-legend) tbody')].map((each) => each.innerText)"
        )
        air, hours, flags = page.evaluate(tables)
        assert "46 Good" in air
        assert "epa-2024" in air
        assert "8.25 ug/m3" in hours
        assert "90 %" in hours
        assert "good" in hours
        assert "failed" in flags
        assert "gross_range" in flags
        assert page.problems == []


def test_what_is_empty_or_not_there_says_so(page: Page, address: str) -> None:
    deadline = (
        time.monotonic() + 10
    )  # the server looks once a second which version is active, if any still is
    show(page, address, "sensors")
    while "No sensors" not in page.text():
        assert time.monotonic() < deadline, page.text()
        show(page, address, "sensors")
    show(page, address, "pipeline")
    assert "Try again" in page.text() or "No job runs" in page.text()  # without Flink, and with it
    show(page, address, "driver/nobody")
    assert "Nothing of nobody" in page.text()
    assert page.problems == []


def test_the_keyboard_goes_everywhere(page: Page, address: str) -> None:
    show(page, address, "fleet")
    page.press("2")
    page.wait("location.hash === '#/drivers' && document.querySelector('main tbody')")
    page.evaluate("document.querySelector('main tbody a').focus()")
    page.press("Enter")
    page.wait("location.hash === '#/driver/anna'")
    page.open("about:blank")
    page.open(f"{address}#/fleet")
    page.wait("document.querySelector('.feed.live')")
    page.evaluate("document.activeElement.blur()")
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_no_view_is_wider_than_a_phone_and_dark_is_dark(page: Page, address: str) -> None:
    try:
        page.look(width=390, height=844, dark=True)
        for view in ("fleet", "drivers", "driver/anna", "rejects", "sensors", "pipeline"):
            show(page, address, view)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert (
            page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(16, 24, 28)"
        )
    finally:
        page.look(width=1280, height=900, dark=False)


def test_a_lost_server_is_said_since_when_and_what_was_shown_stays(page: Page, filled: Session) -> None:
    with served("--rate", "0") as found:
        show(page, f"{found}/dashboard/", "fleet")
        page.wait("document.querySelector('.feed.live')")
    page.wait("!document.getElementById('stale').hidden")
    assert "Not current since" in page.text()
    assert "van-7" in page.text()


def test_a_page_without_its_key_asks_for_one(page: Page, filled: Session, tmp_path: Path) -> None:
    from serving import keys

    token = keys.add(tmp_path / "keys.yaml", "north", "reader", ["north"])
    with served("--keys", str(tmp_path / "keys.yaml")) as found:
        page.open(f"{found}/dashboard/#/fleet")
        page.wait("document.querySelector('input[type=password]')")
        page.evaluate(
            f"(() => {{ document.querySelector('input[type=password]').value = {json.dumps(token)};"
            " document.querySelector('main form button').click(); })()"
        )
        page.wait("document.querySelector('.feed.live')")
        assert page.evaluate("[...document.getElementById('fleet').options].map((each) => each.value)") == [
            "north"
        ]
        show(page, f"{found}/dashboard/", "driver/anna")
        assert "Trips (" in page.text()
        assert "Fine dust" not in page.text()  # of any fleet's drivers: not for this key


def test_everything_the_page_loads_is_its_own() -> None:
    for file in (*STATIC.glob("*.html"), *STATIC.glob("*.css"), *STATIC.rglob("js/**/*.js")):
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, file
        assert "https://" not in text, file
        assert "innerHTML" not in text, file


@pytest.mark.skipif(
    not os.environ.get("KF_SCREENSHOTS"),
    reason="set KF_SCREENSHOTS=FOLDER to take pictures of each view; of a server that runs, with its address as"
    " KF_SCREENSHOTS_OF and the fleet as KF_SCREENSHOTS_FLEET",
)
def test_pictures_of_each_view(page: Page, request: pytest.FixtureRequest) -> None:
    folder, running = Path(os.environ["KF_SCREENSHOTS"]), os.environ.get("KF_SCREENSHOTS_OF")
    address = f"{running}/dashboard/" if running else str(request.getfixturevalue("address"))
    day = None if running else DAY
    looks = {"light": (1280, 860, False), "dark": (1280, 860, True), "phone": (390, 844, False)}
    page.open(address)
    fleet = json.dumps(os.environ.get("KF_SCREENSHOTS_FLEET", "north"))
    page.evaluate(f"localStorage.setItem('kappafleet.fleet', {fleet})")
    show(page, address, "drivers", day)
    first = "document.querySelector('main tbody a')?.getAttribute('href').slice(2)"
    driver = page.wait(first)
    show(page, address, "sensors", day)
    sensor = page.evaluate(first)
    views = {"fleet": "fleet", "drivers": "drivers", "driver": driver, "sensors": "sensors", "sensor": sensor,
             "rejects": "rejects", "pipeline": "pipeline"}  # fmt: skip
    try:
        for look, (width, height, dark) in looks.items():
            page.look(width=width, height=height, dark=dark)
            for name, view in views.items():
                if view is not None:
                    show(page, address, view, day)
                    page.wait("document.fonts.status === 'loaded'")
                    page.wait(
                        "!document.querySelector('canvas') || document.querySelector('canvas').width > 300"
                    )
                    if name == "fleet":
                        page.wait("document.querySelector('canvas[data-outlines]')")
                    if name == "pipeline" and running:
                        rates = "[...document.querySelectorAll('main td:nth-child(4)')]"
                        page.wait(f"{rates}.some((each) => /[0-9]/.test(each.textContent))", limit_s=60)
                    page.screenshot(folder / f"{name}-{look}.png")
    finally:
        page.look(width=1280, height=900, dark=False)
