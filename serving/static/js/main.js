// The page's frame: which view is shown, for which fleet and day, and whether what it shows is current.

import { get } from "./api.js";
import { h } from "./dom.js";
import { loading, refused } from "./states.js";
import * as driver from "./views/driver.js";
import * as drivers from "./views/drivers.js";
import * as fleet from "./views/fleet.js";
import * as pipeline from "./views/pipeline.js";
import * as rejects from "./views/rejects.js";
import * as sensors from "./views/sensors.js";

const VIEWS = { fleet, drivers, driver, sensors, rejects, pipeline };
const content = document.getElementById("content");
const fleets = document.getElementById("fleet");
const day = document.getElementById("day");
const pill = document.getElementById("feed");
const stale = document.getElementById("stale");
let stop = () => {};

const feed = {
  last: null,
  alive() {
    this.last = new Date();
    pill.className = "feed live";
    pill.textContent = `live ${this.last.toLocaleTimeString([], { hour12: false })}`;
    stale.hidden = true;
  },
  lost(error) {
    const since = this.last ? this.last.toLocaleTimeString([], { hour12: false }) : "the start";
    pill.className = "feed lost";
    pill.textContent = "feed lost";
    stale.textContent = `Not current since ${since}: ${error.title || "no answer"}. Trying again.`;
    stale.hidden = false;
  },
  none() {
    pill.className = "feed";
    pill.textContent = "";
    stale.hidden = true;
  },
};

function place() {
  const [, view = "fleet", ...parts] = location.hash.split("/");
  return { view: VIEWS[view] ? view : "fleet", parts: parts.map(decodeURIComponent) };
}

function show() {
  stop();
  feed.none();
  const { view, parts } = place();
  const tab = view === "driver" ? "drivers" : view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.getAttribute("href") === `#/${tab}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${tab[0].toUpperCase()}${tab.slice(1)} – kappafleet`;
  loading(content);
  stop = VIEWS[view].start({ into: content, fleet: fleets.value, day: day.value, parts, feed,
    fail: (error) => refused(content, error, start) }) || (() => {});
}

async function start() {
  loading(content);
  try {
    const found = (await get("/v1/fleets")).fleets;
    const chosen = fleets.value || localStorage.getItem("kappafleet.fleet");
    const names = found.length ? found : ["default"];
    fleets.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    fleets.value = names.includes(chosen) ? chosen : names[0];
    show();
  } catch (error) {
    refused(content, error, start);
  }
}

day.value = new Date().toISOString().slice(0, 10);
day.addEventListener("change", () => { if (day.value) show(); });
fleets.addEventListener("change", () => { localStorage.setItem("kappafleet.fleet", fleets.value); show(); });
addEventListener("hashchange", () => { show(); content.focus(); });
document.getElementById("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("kappafleet.theme", next);
  document.documentElement.dataset.theme = next;
  dispatchEvent(new Event("themechange"));
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const view = ["fleet", "drivers", "sensors", "rejects", "pipeline"][Number(event.key) - 1];
  if (view) location.hash = `#/${view}`;
});
start();
