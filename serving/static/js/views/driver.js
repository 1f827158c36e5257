// One driver's day: figures, trips and events on a time line, speed by the minute, hours of driving left, air and weather.

import { at, rows } from "../api.js";
import { airOf, airSections } from "../exposure.js";
import { figure, h, mark, svg, table } from "../dom.js";
import { Rows, atMostEvery, by, live } from "../feed.js";
import { clock, driveLeft, duration, eventName, hourMinute, km, number, whole } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 5000, DRAW_MS = 250, WIDTH = 960, HEIGHT = 74;

export function start({ into, fleet, day, parts: [id], feed, fail }) {
  let chart = null, shown = "";
  if (!id) { location.hash = "#/drivers"; return null; }

  async function load(signal) {
    const path = `/v1/${at("drivers", id)}`;
    const [days, trips, events, seen, air] = await Promise.all([
      rows(`${path}/days?from=${day}&to=${day}`, { signal }), rows(`${path}/trips?from=${day}&to=${day}`, { signal }),
      rows(`${path}/events?day=${day}`, { signal }),
      fleet && day === new Date().toISOString().slice(0, 10) ? rows(`/v1/${at("fleets", fleet, "vehicles")}?limit=5000`, { signal }) : [],
      airOf(id, day, signal)]);
    const [now] = seen.filter((row) => row.drive_left_driver === id).sort(by("drive_left_at", true));
    const vehicles = [...new Set(trips.map((trip) => trip.vehicle_id))].slice(0, 8);
    const minutes = (await Promise.all(vehicles.map((vehicle) => rows(`/v1/${at("vehicles", vehicle, "minutes")}?day=${day}`, { signal }))))
      .flat().filter((minute) => minute.driver_id === id).sort((a, b) => (a.minute_start < b.minute_start ? -1 : 1));
    return { day: days[0], trips, events, minutes, now, air };
  }

  function draw({ day: sums, trips, events, minutes, now, air }) {
    chart?.destroy(); chart = null;
    const heading = h("div", { class: "head" }, h("h1", {}, id), h("span", { class: "soft" }, day), h("div", { class: "grow" }, h("a", { href: "#/drivers" }, "All drivers")));
    if (!sums && !trips.length && !events.length && !minutes.length && !air?.hours.length) {
      into.replaceChildren(heading, empty(`Nothing of ${id} on ${day}`, "Choose another day above."));
      return;
    }
    const left = driveLeft(now ?? sums ?? {});
    const plot = h("div", {});
    into.replaceChildren(heading,
      h("div", { class: "figures" }, figure("distance", km(sums?.distance_km)), figure("driving", duration(sums?.drive_s)),
        figure("idling", duration(sums?.idle_s)), figure("top speed, km/h", whole(sums?.max_speed_kmh)),
        figure("score", number(sums?.score)), figure("driving left (advisory)", left ? h("span", { title: left.why }, left.text) : "–"),
        figure("accel. / brake / corner", sums ? `${whole(sums.harsh_accel)} / ${whole(sums.harsh_brake)} / ${whole(sums.harsh_corner)}` : "–")),
      h("section", { class: "card" }, h("h2", {}, "The day, UTC"), timeline(trips, events)),
      minutes.length ? h("section", { class: "card" }, h("h2", {}, "Speed by the minute, km/h"), plot) : "",
      h("section", { class: "card" }, h("h2", {}, `Events (${events.length})`), events.length ? table([
        { label: "Time", of: (row) => clock(row.event_time) }, { label: "Event", of: (row) => eventName(row.type) },
        { label: "Severity", of: (row) => (row.severity ? mark(row.severity) : null) },
        { label: "Peak", number: true, of: (row) => `${number(row.peak)} ${row.unit ?? ""}` },
        { label: "Speed", number: true, of: (row) => `${whole(row.speed_kmh)} km/h` }, { label: "Vehicle", of: (row) => row.vehicle_id }], events)
        : h("p", { class: "soft" }, "None.")),
      h("section", { class: "card" }, h("h2", {}, `Trips (${trips.length})`), trips.length ? table([
        { label: "From", of: (row) => hourMinute(row.start_time) }, { label: "To", of: (row) => hourMinute(row.end_time) },
        { label: "Vehicle", of: (row) => row.vehicle_id }, { label: "Distance", number: true, of: (row) => km(row.distance_km) },
        { label: "Driving", number: true, of: (row) => duration(row.drive_s) }, { label: "Idling", number: true, of: (row) => duration(row.idle_s) },
        { label: "Top km/h", number: true, of: (row) => whole(row.max_speed_kmh) }, { label: "State", of: (row) => (row.final ? "ended" : "under way") }], trips)
        : h("p", { class: "soft" }, "None.")),
      ...(air ? airSections(air) : []));
    if (minutes.length) chart = speeds(plot, minutes);
  }

  const resize = () => { if (chart) chart.setSize({ width: chart.root.parentElement.clientWidth, height: 220 }); };
  const redraw = () => { shown = ""; };
  addEventListener("resize", resize);
  addEventListener("themechange", redraw);
  const days = new Rows("day"), trips = new Rows("start_time", "vehicle_id"), events = new Rows("event_time", "type", "vehicle_id");
  const hours = new Rows("hour_start"), weather = new Rows("event_time", "type", "vehicle_id");
  const tables = { driver_day: days, trip: trips, driver_event: events, driver_exposure: hours, event_weather: weather };
  let minutes = [], now, maySeeAir = false, closed = false;
  const soon = atMostEvery(DRAW_MS, () => {
    const found = { day: days.sorted(by("day"))[0], trips: trips.sorted(by("start_time", true)), events: events.sorted(by("event_time", true)), minutes, now,
      air: maySeeAir ? { hours: hours.sorted(by("hour_start")), weather: weather.sorted(by("event_time", true)) } : null };
    const text = JSON.stringify(found);
    if (closed || text === shown) return;
    shown = text;
    draw(found);
  });
  const close = live({
    path: `/v1/${at("drivers", id, "feed")}?day=${day}&tables=${Object.keys(tables)}`, load, everyMs: EVERY_MS, fail, feed,
    show(found) {
      days.replace(found.day ? [found.day] : []); trips.replace(found.trips); events.replace(found.events);
      hours.replace(found.air?.hours ?? []); weather.replace(found.air?.weather ?? []);
      maySeeAir = found.air !== null;
      ({ minutes, now } = found);
      soon();
    },
    changes(list) {
      for (const { table, row } of list) if ((row.day ?? row.start_time?.slice(0, 10)) === day) tables[table]?.apply(row);
      if (list.length) soon();
    },
  });
  return () => { closed = true; close(); chart?.destroy(); removeEventListener("resize", resize); removeEventListener("themechange", redraw); };
}

function timeline(trips, events) {
  const place = (text) => { const time = new Date(text); return ((time.getUTCHours() * 60 + time.getUTCMinutes() + time.getUTCSeconds() / 60) / 1440) * WIDTH; };
  const hours = Array.from({ length: 13 }, (_, index) => index * 2);
  return svg("svg", { class: "timeline", viewBox: `-14 0 ${WIDTH + 28} ${HEIGHT}`, role: "img", "aria-label": `${trips.length} trips and ${events.length} events; the tables below list them` },
    hours.map((hour) => svg("g", {}, svg("line", { class: "grid", x1: (hour / 24) * WIDTH, x2: (hour / 24) * WIDTH, y1: 4, y2: 54 }),
      svg("text", { x: (hour / 24) * WIDTH, y: 69, "text-anchor": "middle" }, `${hour}`))),
    trips.map((trip) => {
      const from = place(trip.start_time), to = Math.max(from + 2, place(trip.end_time));
      return svg("rect", { class: "trip", x: from, y: 26, width: to >= from ? to - from : WIDTH - from, height: 20, rx: 3 }, svg("title", {}, `${hourMinute(trip.start_time)} to ${hourMinute(trip.end_time)}, ${km(trip.distance_km)}`));
    }),
    events.map((event) => svg("circle", { class: `event ${event.severity === "low" ? "low" : ""}`, cx: place(event.event_time), cy: 16, r: 5.5 },
      svg("title", {}, `${clock(event.event_time)} ${eventName(event.type)}`))));
}

function speeds(into, minutes) {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const times = [], tops = [], means = [];
  for (const minute of minutes) {
    const at = Date.parse(minute.minute_start) / 1000;
    if (times.length && at - times.at(-1) > 120) { times.push(times.at(-1) + 60); tops.push(null); means.push(null); }
    times.push(at); tops.push(minute.max_speed_kmh); means.push(minute.mean_speed_kmh);
  }
  return new uPlot({ width: into.clientWidth || 600, height: 220, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    scales: { y: { range: (_, __, top) => [0, Math.max(10, top)] } }, axes: [axis, axis],
    series: [{ label: "time" }, { label: "top", stroke: colour("--warn"), width: 1.5 }, { label: "mean", stroke: colour("--accent"), width: 2, fill: `${colour("--accent")}22` }] },
  [times, tops, means], into);
}
