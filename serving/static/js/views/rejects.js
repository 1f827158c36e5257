// What was refused on a day, why, and how it began.

import { at, get, rows, watch } from "../api.js";
import { h, table } from "../dom.js";
import { bytes, clock } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 10000, JOBS = ["driver_stats", "sensor_windows", "driver_exposure", "metrics"], MOST = 500, SHOWN = 400;

export function start({ into, day, feed, fail }) {
  let shown = "";
  const load = async (signal) => {
    const { questions } = await get("/v1/me", { signal });
    const jobs = JOBS.filter((job) => questions.includes(`${job.replace("_", "-")}-rejects`));
    const found = [];
    for (const job of jobs.length ? jobs : JOBS.slice(0, 1)) {
      const { sources } = await get(`/v1/rejects/${job}`, { signal });
      for (const { source } of sources.filter((each) => each.day === day)) {
        const some = await rows(`/v1/rejects/${at(job, source)}?day=${day}&limit=100`, { most: 100, signal });
        found.push(...some.map((row) => ({ ...row, job })));
      }
    }
    return found.sort((a, b) => (a.received_at < b.received_at ? 1 : -1)).slice(0, MOST);
  };
  return watch(load, EVERY_MS, (found) => {
    const text = JSON.stringify(found);
    if (text === shown) return;
    shown = text;
    if (!found.length) {
      into.replaceChildren(empty(`Nothing was refused on ${day}`, "Every message could be used."));
      return;
    }
    into.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Rejects"), h("span", { class: "soft" }, `${day}, the newest ${found.length}`)),
      h("div", { class: "card" }, table([
        { label: "Reason", of: (row) => row.reason }, { label: "Time, UTC", of: (row) => clock(row.received_at) },
        { label: "Job", of: (row) => row.job }, { label: "Source", of: (row) => row.source },
        { label: "Offset", number: true, of: (row) => String(row.offset) }, { label: "Length", number: true, of: (row) => bytes(row.length) },
        { label: "Begins", of: (row) => h("code", {}, beginning(row.body)) }], found)));
  }, fail, feed);
}

function beginning(body) {
  if (!body) return "";
  const raw = atob(body.slice(0, Math.floor((SHOWN * 4) / 3 / 4) * 4));
  return new TextDecoder("utf-8").decode(Uint8Array.from(raw, (each) => each.charCodeAt(0)));
}
