// What a driver breathed on the road, hour by hour, and the weather when he drove harshly; hours and days are UTC.

import { Refusal, at, rows } from "./api.js";
import { h, table } from "./dom.js";
import { clock, duration, eventName, hourMinute, number, whole } from "./format.js";

const measured = (value, unit, digits = 1) => (value === null || value === undefined ? "–" : `${number(value, digits)} ${unit}`);

/** Rows of both tables, none if no job has written them yet; null: this key may not see them. */
export async function airOf(id, day, signal) {
  const path = `/v1/${at("drivers", id)}`;
  try {
    const [hours, weather] = await Promise.all([rows(`${path}/exposure?day=${day}`, { signal }), rows(`${path}/event-weather?day=${day}`, { signal })]);
    return { hours, weather };
  } catch (error) {
    if (error instanceof Refusal && error.kind === "no-tables") return { hours: [], weather: [] };
    if (error instanceof Refusal && error.kind === "not-allowed") return null;
    throw error;
  }
}

/** Both as sections of a page. */
export function airSections({ hours, weather }) {
  return [
    h("section", { class: "card" }, h("h2", {}, "Fine dust (PM2.5) on the way, by hour"), hours.length ? table([
      { label: "Hour, UTC", of: (row) => hourMinute(row.hour_start) },
      { label: "Dose", number: true, of: (row) => measured(row.pm2_5_ug_h, "µg/m³·h", 2) },
      { label: "Mean", number: true, of: (row) => measured(row.pm2_5_mean, "µg/m³") },
      { label: "Max", number: true, of: (row) => measured(row.pm2_5_max, "µg/m³") },
      { label: "On the road", number: true, of: (row) => duration(row.on_road_s) },
      { label: "Known of", number: true, of: (row) => measured(row.coverage === null ? null : 100 * row.coverage, "%", 0) },
      { label: "Sensors", number: true, of: (row) => whole(row.sensors) }], hours)
      : h("p", { class: "soft" }, "None: it appears here when the job driver_exposure has closed an hour of this driver's day.")),
    h("section", { class: "card" }, h("h2", {}, "Weather at harsh events"), weather.length ? table([
      { label: "Time, UTC", of: (row) => clock(row.event_time) }, { label: "Event", of: (row) => eventName(row.type) },
      { label: "Temperature", number: true, of: (row) => measured(row.temperature, "°C") },
      { label: "Humidity", number: true, of: (row) => measured(row.humidity, "%", 0) },
      { label: "Pressure", number: true, of: (row) => measured(row.pressure, "hPa", 0) },
      { label: "PM2.5", number: true, of: (row) => measured(row.pm2_5, "µg/m³") },
      { label: "Sensors", number: true, of: (row) => whole(row.sensors) }, { label: "Vehicle", of: (row) => row.vehicle_id }], weather)
      : h("p", { class: "soft" }, "None."))];
}
