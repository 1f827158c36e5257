// Where is everyone now? A map, the same as a list for keyboards and screen readers, and what has just happened.

import { at, rows } from "../api.js";
import { h, mark } from "../dom.js";
import { Rows, atMostEvery, by, live } from "../feed.js";
import { ago, clock, driveLeft, eventName, number } from "../format.js";
import { empty } from "../states.js";
import { WorldMap } from "../worldmap.js";

const EVERY_MS = 2000, OLD_MS = 10 * 60 * 1000, DRAW_MS = 250, MOST_EVENTS = 30, SOON_MIN = 30;

export function start({ into, fleet, feed, fail }) {
  let map = null, chosen = null, list = null, count = null, happened = null, latest = [];
  const vehicles = new Rows("vehicle_id"), events = new Rows("driver_id", "event_time", "type", "vehicle_id");
  const choose = (id) => { chosen = id; map?.focus(id); fill(); };

  function build() {
    const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": "Map of the vehicles; arrows move it, plus and minus zoom, 0 shows all" });
    list = h("div", { class: "card vehicles", role: "group", "aria-label": "Vehicles" });
    count = h("span", { class: "soft" });
    happened = h("section", { class: "card events", "aria-label": "Latest events" });
    const button = (label, text, act) => h("button", { type: "button", "aria-label": label, onclick: act }, text);
    into.replaceChildren(
      h("div", { class: "head" }, h("h1", {}, `Fleet ${fleet}`), count),
      h("div", { class: "columns" },
        h("div", { class: "card map" }, canvas,
          h("div", { class: "controls" }, button("Closer", "+", () => map.zoomBy(2)), button("Farther", "−", () => map.zoomBy(0.5)),
            button("All vehicles", "⌂", () => { map.touched = false; map.fit(); map.draw(); })),
          h("span", { class: "credit" }, "Outlines: Natural Earth")),
        list),
      happened);
    map = new WorldMap(canvas, { chosen: choose });
  }

  function fill() {
    const focused = document.activeElement?.dataset?.vehicle;
    const states = latest.map(state);
    count.textContent = `${latest.length} vehicle${latest.length === 1 ? "" : "s"}, ${states.filter((each) => each === "driving").length} driving`;
    list.replaceChildren(...latest.map((each) => {
      const seen = Date.parse(each.event_time), now = state(each), left = driveLeft(each);
      return h("div", { class: "vehicle" },
        h("button", { type: "button", "data-vehicle": each.vehicle_id, "aria-pressed": String(each.vehicle_id === chosen), onclick: () => choose(each.vehicle_id) },
          h("b", {}, each.vehicle_id), mark(now)),
        h("small", {}, each.driver_id ? h("a", { href: `#/driver/${at(each.driver_id)}` }, each.driver_id) : "nobody", ` · ${number(each.speed_kmh, 0)} km/h · ${ago(seen)}`),
        left && h("small", { class: left.minutes <= SOON_MIN ? "left soon" : "left", title: left.why },
          each.drive_left_driver && each.drive_left_driver !== each.driver_id ? `${each.drive_left_driver}: ` : "", `${left.text} of driving left`));
    }));
    if (focused) [...list.querySelectorAll("button")].find((each) => each.dataset.vehicle === focused)?.focus();
    map.show(latest.map((each, index) => ({ ...each, state: states[index] })), chosen);
  }

  function tell() {
    const found = events.sorted(by("event_time", true)).slice(0, MOST_EVENTS);
    happened.hidden = !found.length;
    happened.replaceChildren(h("h2", {}, "Latest events"), h("ul", {}, found.map((each) => h("li", { "data-event": each.type },
      h("time", { datetime: each.event_time }, clock(each.event_time)), " ", mark(eventName(each.type), each.severity ?? "event"), " ",
      h("a", { href: `#/driver/${at(each.driver_id)}` }, each.driver_id), each.vehicle_id ? ` · ${each.vehicle_id}` : ""))));
  }

  function draw() {
    if (closed) return;
    if (!vehicles.size) {
      map?.close(); map = null;
      into.replaceChildren(empty(`No vehicles in fleet ${fleet}`, "They appear here with their first message."));
      return;
    }
    latest = vehicles.sorted(by("vehicle_id"));
    if (!map) build();
    fill();
    tell();
  }

  let closed = false;
  const soon = atMostEvery(DRAW_MS, draw);
  const close = live({
    path: `/v1/${at("fleets", fleet, "feed")}?tables=vehicle_live,driver_event`,
    load: (signal) => rows(`/v1/${at("fleets", fleet, "vehicles")}?limit=5000`, { signal }),
    everyMs: EVERY_MS, fail, feed,
    show(found) { vehicles.replace(found); draw(); },
    changes(list) {
      for (const { table, row } of list) {
        if (table === "vehicle_live") vehicles.apply(row, { lat: null, lon: null });
        else if (table === "driver_event") events.apply(row);
      }
      if (list.length) soon();
    },
  });
  return () => { closed = true; close(); map?.close(); };
}

/** What a vehicle does; one that has not reported for long is silent, whatever it did then. */
function state(vehicle) {
  return Date.now() - Date.parse(vehicle.event_time) > OLD_MS ? "silent" : vehicle.state ?? "unknown";
}
