// Where is everyone now? A map, and the same as a list for keyboards and screen readers.

import { at, rows, watch } from "../api.js";
import { h, mark } from "../dom.js";
import { ago, number } from "../format.js";
import { empty } from "../states.js";
import { WorldMap } from "../worldmap.js";

const EVERY_MS = 2000, OLD_MS = 10 * 60 * 1000;

export function start({ into, fleet, feed, fail }) {
  let map = null, chosen = null, list = null, count = null, latest = [];
  const choose = (id) => { chosen = id; map?.focus(id); fill(); };

  function build() {
    const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": "Map of the vehicles; arrows move it, plus and minus zoom, 0 shows all" });
    list = h("div", { class: "card vehicles", role: "group", "aria-label": "Vehicles" });
    count = h("span", { class: "soft" });
    const button = (label, text, act) => h("button", { type: "button", "aria-label": label, onclick: act }, text);
    into.replaceChildren(
      h("div", { class: "head" }, h("h1", {}, `Fleet ${fleet}`), count),
      h("div", { class: "columns" },
        h("div", { class: "card map" }, canvas,
          h("div", { class: "controls" }, button("Closer", "+", () => map.zoomBy(2)), button("Farther", "−", () => map.zoomBy(0.5)),
            button("All vehicles", "⌂", () => { map.touched = false; map.fit(); map.draw(); })),
          h("span", { class: "credit" }, "Outlines: Natural Earth")),
        list));
    map = new WorldMap(canvas, { chosen: choose });
  }

  function fill() {
    const focused = document.activeElement?.dataset?.vehicle;
    const states = latest.map(state);
    count.textContent = `${latest.length} vehicle${latest.length === 1 ? "" : "s"}, ${states.filter((each) => each === "driving").length} driving`;
    list.replaceChildren(...latest.map((each) => {
      const seen = Date.parse(each.event_time), now = state(each);
      return h("div", { class: "vehicle" },
        h("button", { type: "button", "data-vehicle": each.vehicle_id, "aria-pressed": String(each.vehicle_id === chosen), onclick: () => choose(each.vehicle_id) },
          h("b", {}, each.vehicle_id), mark(now)),
        h("small", {}, each.driver_id ? h("a", { href: `#/driver/${at(each.driver_id)}` }, each.driver_id) : "nobody", ` · ${number(each.speed_kmh, 0)} km/h · ${ago(seen)}`));
    }));
    if (focused) [...list.querySelectorAll("button")].find((each) => each.dataset.vehicle === focused)?.focus();
    map.show(latest.map((each, index) => ({ ...each, state: states[index] })), chosen);
  }

  const close = watch((signal) => rows(`/v1/${at("fleets", fleet, "vehicles")}?limit=5000`, { signal }), EVERY_MS, (found) => {
    if (!found.length) {
      map?.close(); map = null;
      into.replaceChildren(empty(`No vehicles in fleet ${fleet}`, "They appear here with their first message."));
      return;
    }
    latest = found;
    if (!map) build();
    fill();
  }, fail, feed);
  return () => { close(); map?.close(); };
}

/** What a vehicle does; one that has not reported for long is silent, whatever it did then. */
function state(vehicle) {
  return Date.now() - Date.parse(vehicle.event_time) > OLD_MS ? "silent" : vehicle.state ?? "unknown";
}
