// Sensors by area: last values, index with its colour, flags.

import { at, get, rows, watch } from "../api.js";
import { h, mark, table } from "../dom.js";
import { Rows, atMostEvery, by, live } from "../feed.js";
import { ago, clock, hourMinute, number } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 10000, DRAW_MS = 500, MOST_AREAS = 32;
const VALUES = ["pm2_5", "pm10", "no2", "o3", "so2", "co", "temperature", "humidity", "pressure"];
const EPA = { Good: "#00E400", Moderate: "#FFFF00", "Unhealthy for Sensitive Groups": "#FF7E00", Unhealthy: "#FF0000", "Very Unhealthy": "#8F3F97", Hazardous: "#7E0023" };
const EAQI = { Good: "#50F0E6", Fair: "#50CCAA", Moderate: "#F0E641", Poor: "#FF5050", "Very Poor": "#960032", "Extremely Poor": "#7D2181" };

export function start({ into, day, parts: [id], feed, fail }) {
  return id ? one(into, id, day, feed, fail) : all(into, feed, fail);
}

function all(into, feed, fail) {
  const sensors = new Rows("area", "sensor_id"), followed = new Map();
  const loaded = new Set(); // areas come one by one; the page waits for the first answer of each
  let closed = false, known = false;
  const soon = atMostEvery(DRAW_MS, () => { if (!closed && known) draw(sensors.sorted(by("sensor_id"))); });

  function draw(found) {
    if (!found.length) {
      into.replaceChildren(empty("No sensors", "They appear here when the job sensor_windows has seen a reading."));
      return;
    }
    const values = VALUES.filter((name) => found.some((row) => row[name] !== null && row[name] !== undefined));
    const columns = [
      { label: "Sensor", of: (row) => h("a", { href: `#/sensors/${at(row.sensor_id)}` }, row.sensor_id) },
      { label: "Area", of: (row) => row.area },
      { label: "Index", of: (row) => index(row) },
      ...values.map((name) => ({ label: name, number: true, of: (row) => number(row[name]) })),
      { label: "Read", of: (row) => ago(Date.parse(row.event_time ?? row.updated_at)) }];
    into.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Sensors"), h("span", { class: "soft" }, `${found.length}`)), h("div", { class: "card" }, table(columns, found)));
  }

  const follow = (area) => live({
    path: `/v1/${at("areas", area, "feed")}?tables=sensor_live`,
    load: (signal) => rows(`/v1/${at("areas", area, "sensors")}`, { signal }), everyMs: EVERY_MS, fail, feed,
    show(found) {
      for (const row of found) sensors.apply(row);
      loaded.add(area);
      known ||= loaded.size === followed.size;
      soon();
    },
    changes(list) { for (const { row } of list) sensors.apply(row); if (list.length) soon(); },
  });
  const close = watch((signal) => get("/v1/areas", { signal }), EVERY_MS, ({ areas }) => {
    for (const area of areas.slice(0, MOST_AREAS)) if (!followed.has(area)) followed.set(area, follow(area));
    if (!areas.length) { known = true; soon(); }
  }, fail, feed);
  return () => { closed = true; close(); for (const stop of followed.values()) stop(); };
}

function index(row) {
  if (row.index_value === null || row.index_value === undefined) return "–";
  const sign = mark(`${row.index_value} ${row.category ?? ""}`, "index");
  const colour = (String(row.standard).startsWith("eaqi") ? EAQI : EPA)[row.category];
  if (colour) sign.style.borderLeft = `.9em solid ${colour}`;
  sign.title = `${row.standard ?? ""}${row.responsible ? `: ${row.responsible}` : ""}`;
  return sign;
}

const FLAGS = { 1: ["good", "good"], 2: ["not evaluated", "off"], 3: ["suspect", "warn"], 4: ["failed", "bad"] };
const flagged = (value) => (FLAGS[value] ? mark(...FLAGS[value]) : "–");

function one(into, id, day, feed, fail) {
  const path = `/v1/${at("sensors", id)}`, range = `from=${day}&to=${day}`;
  let chart = null, shown = "";
  const load = async (signal) => {
    const [hours, air, flags] = await Promise.all([rows(`${path}/hours?${range}`, { signal }), rows(`${path}/air-quality?${range}`, { signal }), rows(`${path}/flags?day=${day}`, { signal })]);
    return { hours: hours.filter((row) => row.hour_start.startsWith(day)), air: air.filter((row) => row.in_force !== false), flags };
  };
  const close = watch(load, EVERY_MS, (found) => {
    const text = JSON.stringify(found);
    if (text === shown) return;
    shown = text;
    chart?.destroy(); chart = null;
    const plot = h("div", {});
    const heading = h("div", { class: "head" }, h("h1", {}, id), h("span", { class: "soft" }, day), h("div", { class: "grow" }, h("a", { href: "#/sensors" }, "All sensors")));
    if (!found.hours.length) { into.replaceChildren(heading, empty(`Nothing of ${id} on ${day}`, "Choose another day above.")); return; }
    into.replaceChildren(heading,
      h("section", { class: "card" }, h("h2", {}, "Hourly means"), plot),
      found.air.length ? h("section", { class: "card" }, h("h2", {}, "Air quality"), table([
        { label: "Hour, UTC", of: (row) => hourMinute(row.hour_start) }, { label: "Index", of: index }, { label: "Standard", of: (row) => row.standard },
        { label: "Scope", of: (row) => row.scope }, { label: "Because of", of: (row) => row.responsible }], found.air)) : "",
      h("section", { class: "card" }, h("h2", {}, "Hours"), table([
        { label: "Hour, UTC", of: (row) => hourMinute(row.hour_start) }, { label: "Quantity", of: (row) => row.quantity },
        { label: "Mean", number: true, of: (row) => `${number(row.mean, 2)} ${row.unit ?? ""}` }, { label: "Min", number: true, of: (row) => number(row.min, 2) },
        { label: "Max", number: true, of: (row) => number(row.max, 2) }, { label: "Complete", number: true, of: (row) => (row.completeness === null ? "–" : `${number(row.completeness * 100, 0)} %`) },
        { label: "Flag", of: (row) => flagged(row.qc_flag) }, { label: "Tests", of: (row) => row.qc_tests }], found.hours)),
      found.flags.length ? h("section", { class: "card" }, h("h2", {}, "Flags"), table([
        { label: "Time, UTC", of: (row) => clock(row.time) }, { label: "Quantity", of: (row) => row.quantity }, { label: "Flag", of: (row) => flagged(row.qc_flag) },
        { label: "Value", number: true, of: (row) => `${number(row.value, 2)} ${row.unit ?? ""}` }, { label: "Tests", of: (row) => row.qc_tests }], found.flags)) : "");
    chart = means(plot, found.hours);
  }, fail, feed);
  return () => { close(); chart?.destroy(); };
}

function means(into, hours) {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 } };
  const times = [...new Set(hours.map((row) => row.hour_start))].sort(), quantities = [...new Set(hours.map((row) => row.quantity))];
  const values = quantities.map((quantity) => {
    const found = new Map(hours.filter((row) => row.quantity === quantity).map((row) => [row.hour_start, row.mean]));
    return times.map((time) => found.get(time) ?? null);
  });
  const colours = ["--accent", "--warn", "--good", "--bad", "--off"];
  return new uPlot({ width: into.clientWidth || 600, height: 220, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"), axes: [axis, axis],
    series: [{ label: "time" }, ...quantities.map((label, at) => ({ label, stroke: colour(colours[at % colours.length]), width: 2 }))] },
  [times.map((time) => Date.parse(time) / 1000), ...values], into);
}
