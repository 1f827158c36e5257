// Sensors by area: last values, index with its colour, flags.

import { Refusal, at, get, rows, watch } from "../api.js";
import { h, mark, table } from "../dom.js";
import { ago, clock, number } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 10000, MOST_AREAS = 64;
const HIDDEN = new Set(["area", "sensor_id", "event_time", "updated_at", "lat", "lon", "index", "category", "colour", "color", "standard"]);

export function start({ into, day, parts: [id], feed, fail }) {
  return id ? one(into, id, day, feed, fail) : all(into, feed, fail);
}

function all(into, feed, fail) {
  const load = async (signal) => {
    const { areas } = await get("/v1/areas", { signal });
    const found = await Promise.all(areas.slice(0, MOST_AREAS).map((area) => rows(`/v1/${at("areas", area, "sensors")}`, { signal })));
    return found.flat();
  };
  return watch(load, EVERY_MS, (found) => {
    if (!found.length) {
      into.replaceChildren(empty("No sensors", "They appear here when the job sensor_windows has seen a reading."));
      return;
    }
    const values = Object.keys(found[0]).filter((name) => !HIDDEN.has(name) && found.some((row) => typeof row[name] === "number"));
    const columns = [
      { label: "Sensor", of: (row) => h("a", { href: `#/sensors/${at(row.sensor_id)}` }, row.sensor_id) },
      { label: "Area", of: (row) => row.area },
      { label: "Index", of: (row) => index(row) },
      ...values.map((name) => ({ label: name, number: true, of: (row) => number(row[name]) })),
      { label: "Read", of: (row) => ago(Date.parse(row.event_time ?? row.updated_at)) }];
    into.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Sensors"), h("span", { class: "soft" }, `${found.length}`)), h("div", { class: "card" }, table(columns, found)));
  }, fail, feed);
}

function index(row) {
  const value = row.index ?? row.aqi ?? row.category;
  if (value === null || value === undefined) return "–";
  const sign = mark(`${value}${row.category && row.category !== value ? ` ${row.category}` : ""}`, "index");
  const colour = row.colour ?? row.color;
  if (/^#[0-9a-f]{6}$/i.test(colour ?? "")) sign.style.borderLeft = `.8em solid ${colour}`;
  return sign;
}

function one(into, id, day, feed, fail) {
  const path = `/v1/${at("sensors", id)}`;
  const optional = async (address, signal) => {
    try { return await rows(address, { signal }); } catch (error) { if (error instanceof Refusal && error.status === 404) return []; throw error; }
  };
  const load = async (signal) => Promise.all([optional(`${path}/hours?from=${day}&to=${day}`, signal), optional(`${path}/flags?day=${day}`, signal)]);
  return watch(load, EVERY_MS, ([hours, flags]) => {
    const generic = (found) => table(Object.keys(found[0]).filter((name) => !["sensor_id", "month", "day", "updated_at", "params_hash"].includes(name)).map((name) => ({
      label: name, number: typeof found[0][name] === "number", of: (row) => (typeof row[name] === "number" ? number(row[name], 2) : name.endsWith("_start") || name === "time" ? clock(row[name]) : String(row[name] ?? "–")) })), found);
    into.replaceChildren(h("div", { class: "head" }, h("h1", {}, id), h("span", { class: "soft" }, day), h("div", { class: "grow" }, h("a", { href: "#/sensors" }, "All sensors"))),
      hours.length ? h("section", { class: "card" }, h("h2", {}, "Hours"), generic(hours)) : empty(`Nothing of ${id} on ${day}`, "Choose another day above."),
      flags.length ? h("section", { class: "card" }, h("h2", {}, "Flags"), generic(flags)) : "");
  }, fail, feed);
}
