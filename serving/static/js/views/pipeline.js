// How the pipeline is: each job's lag, watermark, checkpoints and rates, and how the lag went since the page is open.

import { get, watch } from "../api.js";
import { figure, h, mark, table } from "../dom.js";
import { ago, bytes, number, whole } from "../format.js";
import { empty } from "../states.js";

const EVERY_MS = 2500, KEPT = 600;
const history = new Map();

export function start({ into, feed, fail }) {
  let charts = [];
  const clear = () => { for (const each of charts) each.destroy(); charts = []; };
  const close = watch((signal) => get("/v1/pipeline", { signal }), EVERY_MS, ({ jobs, at_ms: now }) => {
    clear();
    if (!jobs.length) {
      into.replaceChildren(empty("No job runs", "Submit one: kappafleet submit driver_stats"));
      return;
    }
    into.replaceChildren(h("div", { class: "head" }, h("h1", {}, "Pipeline")), ...jobs.map((job) => card(job, now)));
    for (const job of jobs) remember(job, now);
    for (const job of jobs) {
      const plot = into.querySelector(`[data-job="${job.id}"]`);
      if (plot && history.get(job.id).times.length > 1) charts.push(lags(plot, history.get(job.id)));
    }
  }, fail, feed);
  return () => { close(); clear(); };
}

function remember(job, now) {
  const kept = history.get(job.id) ?? { times: [], lags: [], rates: [] };
  if (kept.times.at(-1) !== now / 1000) {
    kept.times.push(now / 1000);
    kept.lags.push(job.lag_messages);
    kept.rates.push(job.vertices[0]?.out_per_s ?? null);
    for (const each of Object.values(kept)) if (each.length > KEPT) each.shift();
  }
  history.set(job.id, kept);
}

function card(job, now) {
  const checkpoint = job.checkpoints;
  return h("section", {}, h("div", { class: "head" }, h("h2", {}, job.name), mark(job.state), h("span", { class: "soft" }, `started ${ago(job.started_ms, now)}`)),
    h("div", { class: "figures" }, figure("messages behind the log", whole(job.lag_messages)), figure("watermark", ago(job.watermark_ms, now)),
      figure("last checkpoint", ago(checkpoint.last_ms, now)), figure("it took", checkpoint.last_duration_ms === null || checkpoint.last_duration_ms === undefined ? "–" : `${whole(checkpoint.last_duration_ms)} ms`),
      figure("state", bytes(checkpoint.last_bytes)), figure("failed of the last ten", whole(checkpoint.failed_lately))),
    h("div", { class: "card" }, h("h2", {}, "Records a second, and messages behind"), h("div", { "data-job": job.id }, h("p", { class: "soft" }, "Grows while this page is open."))),
    h("div", { class: "card" }, table([
      { label: "Operator", of: (row) => row.name }, { label: "State", of: (row) => mark(row.state) }, { label: "Subtasks", number: true, of: (row) => whole(row.parallelism) },
      { label: "In /s", number: true, of: (row) => whole(row.in_per_s) }, { label: "Out /s", number: true, of: (row) => whole(row.out_per_s) },
      { label: "Busy", number: true, of: (row) => share(row.busy_ms_per_s, row.parallelism) }, { label: "Back pressure", number: true, of: (row) => share(row.back_pressured_ms_per_s, row.parallelism) },
      { label: "Watermark", of: (row) => ago(row.watermark_ms, now) }], job.vertices)));
}

const share = (ms, subtasks) => (ms === null || ms === undefined || Number.isNaN(ms) ? "–" : `${number(ms / 10 / subtasks, 0)} %`);

function lags(into, { times, lags: behind, rates }) {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  const axis = (scale, side) => ({ scale, side, stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, size: 64 });
  into.replaceChildren();
  return new uPlot({ width: into.clientWidth || 600, height: 200, scales: { behind: { range: (_, __, top) => [0, Math.max(10, top)] }, rate: { range: (_, __, top) => [0, Math.max(10, top)] } },
    axes: [{ stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 } }, axis("rate", 3), axis("behind", 1)],
    series: [{}, { label: "records/s", scale: "rate", stroke: colour("--accent"), width: 2 }, { label: "behind", scale: "behind", stroke: colour("--bad"), width: 1.5 }] }, [times, rates, behind], into);
}
