// Today's drivers of the fleet: the leaderboard, with what each score is made of, and the day as a workbook.

import { at, get, rows } from "../api.js";
import { h, table } from "../dom.js";
import { Rows, atMostEvery, by, live } from "../feed.js";
import { driveLeft, duration, km, number, whole } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 5000, DRAW_MS = 500;
const missing = (value) => value === null || value === undefined;

export function start({ into, fleet, day, feed, fail }) {
  const sorted = { index: 1, down: true };
  let latest = [], left = new Map();
  const leftOf = (id) => (left.has(id) ? h("span", { title: left.get(id).why }, left.get(id).text) : "–");

  const columns = [
    { label: "Driver", sort: (row) => row.driver_id, of: (row) => h("a", { href: `#/driver/${at(row.driver_id)}` }, row.driver_id) },
    { label: "Score", sort: (row) => row.score ?? -1, of: (row) => score(row) },
    { label: "Distance", number: true, sort: (row) => row.distance_km ?? 0, of: (row) => km(row.distance_km) },
    { label: "Driving", number: true, sort: (row) => row.drive_s ?? 0, of: (row) => duration(row.drive_s) },
    { label: "Idling", number: true, sort: (row) => row.idle_s ?? 0, of: (row) => duration(row.idle_s) },
    { label: "Top km/h", number: true, sort: (row) => row.max_speed_kmh ?? 0, of: (row) => whole(row.max_speed_kmh) },
    { label: "Accel.", number: true, sort: (row) => row.harsh_accel ?? 0, of: (row) => whole(row.harsh_accel) },
    { label: "Brake", number: true, sort: (row) => row.harsh_brake ?? 0, of: (row) => whole(row.harsh_brake) },
    { label: "Corner", number: true, sort: (row) => row.harsh_corner ?? 0, of: (row) => whole(row.harsh_corner) },
    { label: "Left", number: true, sort: (row) => -(left.get(row.driver_id)?.minutes ?? 1e9), of: (row) => leftOf(row.driver_id) },
    { label: "State", of: (row) => (row.final ? "closed" : "open") },
  ];

  function draw() {
    const { sort } = columns[sorted.index];
    const order = [...latest].sort((a, b) => {
      const [x, y] = [sort(a), sort(b)];
      return (x < y ? -1 : x > y ? 1 : (a.distance_km ?? 0) - (b.distance_km ?? 0)) * (sorted.down ? -1 : 1);
    });
    const message = h("span", { class: "soft", role: "status" });
    into.replaceChildren(
      h("div", { class: "head" }, h("h1", {}, `Drivers of ${fleet}`), h("span", { class: "soft" }, `${day}, ${latest.length} drivers`),
        h("div", { class: "grow" }, message, download("Day", `day=${day}`, message), download("Month", `month=${day.slice(0, 7)}`, message))),
      h("div", { class: "card" },
        table(columns, order, { sorted, onsort: (index) => { sorted.down = sorted.index === index ? !sorted.down : index !== 0; sorted.index = index; draw(); } }),
        h("p", { class: "legend" }, ...[["kept", "score"], ["events", "harsh events"], ["speeding", "speeding"], ["idling", "idling"]]
          .map(([kind, text]) => h("span", {}, h("i", { class: `bars ${kind}` }), text)))));
    paint(into);
  }

  function download(label, query, message) {
    return h("button", { type: "button", onclick: async (event) => {
      event.currentTarget.disabled = true;
      message.textContent = "Making the workbook…";
      try {
        const answer = await get(`/v1/${at("fleets", fleet, "workbook")}?${query}`, { raw: true });
        const address = URL.createObjectURL(await answer.blob());
        const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") || "")?.[1] ?? "fleet.xlsx";
        h("a", { href: address, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10000);
        message.textContent = "";
      } catch (error) {
        message.textContent = error.message;
      }
      for (const each of into.querySelectorAll(".grow button")) each.disabled = false;
    } }, `${label} as .xlsx`);
  }

  let shown = "", closed = false;
  const drivers = new Rows("driver_id"), vehicles = new Rows("vehicle_id"), today = new Date().toISOString().slice(0, 10);
  const soon = atMostEvery(DRAW_MS, () => {
    latest = drivers.sorted(by("driver_id"));
    left = day === today ? newestLeft(vehicles.sorted(by("vehicle_id"))) : new Map();
    const text = JSON.stringify([latest, [...left]]);
    if (closed || text === shown) return;  // what has not changed keeps its focus and selection
    shown = text;
    if (latest.length) draw();
    else into.replaceChildren(empty(`Nobody of ${fleet} has driven on ${day}`, "Choose another day above."));
  });
  const close = live({
    path: `/v1/${at("fleets", fleet, "feed")}?day=${day}&tables=fleet_day,vehicle_live`,
    load: (signal) => Promise.all([rows(`/v1/${at("fleets", fleet, "drivers")}?day=${day}`, { signal }),
      day === today ? rows(`/v1/${at("fleets", fleet, "vehicles")}?limit=5000`, { signal }) : []]),
    everyMs: EVERY_MS, fail, feed,
    show([found, now]) { drivers.replace(found); vehicles.replace(now); soon(); },
    changes(list) {
      for (const { table, row } of list) {
        if (table === "fleet_day" && row.day === day) drivers.apply(row);
        else if (table === "vehicle_live") vehicles.apply(row);
      }
      if (list.length) soon();
    },
  });
  return () => { closed = true; close(); };
}

/** By driver, how long he may drive on; of several vehicles the one that said so last. */
function newestLeft(vehicles) {
  const known = vehicles.filter((row) => row.drive_left_driver && row.drive_left_at && driveLeft(row)).sort(by("drive_left_at"));
  return new Map(known.map((row) => [row.drive_left_driver, driveLeft(row)]));
}

/** The score, and a bar of what was taken off; widths are set by script: the page allows no inline styles. */
function score(row) {
  if (missing(row.score)) return h("span", { class: "soft" }, row.score_state === "insufficient_distance" ? "too short" : "no score");
  const terms = [["events", row.penalty_events], ["speeding", row.penalty_speeding], ["idling", row.penalty_idle]].filter(([, value]) => value > 0);
  const text = terms.map(([name, value]) => `${name} −${number(value)}`).join(", ") || "nothing taken off";
  return h("span", { title: text }, h("b", {}, number(row.score)), " ", h("span", { class: "bars", role: "img", "aria-label": text },
    h("i", { class: "kept", "data-width": row.score }), terms.map(([name, value]) => h("i", { class: name, "data-width": value }))));
}

function paint(into) {
  for (const each of into.querySelectorAll("[data-width]")) each.style.width = `${Math.max(0, Math.min(100, Number(each.dataset.width)))}%`;
}
