// The live feed: a WebSocket that comes back by itself, beside questions that are asked seldom while it is there.

import { key, watch } from "./api.js";

const PROTOCOL = "kappafleet.feed";
const SILENT_MS = 25000, FIRST_MS = 500, LONGEST_MS = 10000, SELDOM_MS = 15000, MARGIN_MS = 2000, KEPT = 20000;

/** Follows a feed until the function that it returns is called. changes(list), state({live, since}). */
function follow(path, { changes, state }) {
  let socket = null, after = null, delay = FIRST_MS, timer = 0, silence = 0, stopped = false;

  function open() {
    const address = new URL(path, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (after) address.searchParams.set("after", after);
    socket = new WebSocket(address, key() ? [PROTOCOL, key()] : [PROTOCOL]);
    socket.onmessage = (message) => { listen(); take(JSON.parse(message.data)); };
    socket.onclose = () => {
      clearTimeout(silence);
      if (stopped) return;
      state({ live: false, since: null });
      timer = setTimeout(open, delay * (0.5 + Math.random() / 2));
      delay = Math.min(LONGEST_MS, delay * 2);
    };
    listen();
  }

  function listen() {
    clearTimeout(silence);
    silence = setTimeout(() => socket.close(), SILENT_MS);  // half-open connections tell nobody
  }

  function take({ event, id, data }) {
    if (id) after = id;
    if (event === "snapshot") {
      delay = FIRST_MS;
      changes(Object.entries(data.tables).flatMap(([table, { rows }]) => rows.map((row) => ({ table, row }))));
      state(data);
    } else if (event === "changes") changes(data.changes);
    else if (event === "state") { delay = FIRST_MS; state(data); }
    else if (event === "problem") { after = null; state({ live: false, since: null }); }
  }

  open();
  return () => { stopped = true; clearTimeout(timer); clearTimeout(silence); socket.close(); };
}

/**
 * As watch, with what changes in between from a feed: changes(list) gets [{table, row}], of rows the columns that are
 * known to be new. Without the feed the question is asked as often as everyMs says.
 */
export function live({ path, load, everyMs, show, changes, fail, feed }) {
  let current = false, recent = [];
  const poll = watch(async (signal) => {
    const began = performance.now();
    return { began, found: await load(signal) };
  }, () => (current ? SELDOM_MS : everyMs), ({ began, found }) => {
    show(found);
    // The answer may be older than what came meanwhile.
    recent = recent.filter(({ at }) => at > began - MARGIN_MS);
    changes(recent.flatMap(({ list }) => list));
  }, fail, feed);
  let closed = false;
  const alive = atMostEvery(1000, () => { if (current && !closed) feed.alive(); });
  const stop = follow(path, {
    changes(list) {
      const now = performance.now();
      recent = recent.filter(({ at }) => at > now - SELDOM_MS - MARGIN_MS).slice(-KEPT);
      recent.push({ at: now, list });
      changes(list);
      alive();
    },
    state(told) {
      const before = current;
      current = told.live;
      if (current !== before) poll.now();
    },
  });
  return () => { closed = true; stop(); poll(); };
}

/** Calls at once, and then at most so often, with the last call never lost. */
export function atMostEvery(ms, call) {
  let last = -Infinity, timer = 0;
  return () => {
    if (timer) return;
    timer = setTimeout(() => { timer = 0; last = performance.now(); call(); }, Math.max(0, last + ms - performance.now()));
  };
}

/** Rows by their key; those that a later message made void are not there. */
export class Rows {
  constructor(...key) { this.key = key; this.byKey = new Map(); }
  of(row) { return JSON.stringify(this.key.map((name) => row[name])); }
  replace(rows) { this.byKey = new Map(rows.map((row) => [this.of(row), row])); }
  apply(row, unknown = {}) {
    const key = this.of(row);
    if (row.superseded_by) this.byKey.delete(key);
    else this.byKey.set(key, { ...(this.byKey.get(key) ?? unknown), ...row });
  }
  sorted(compare) { return [...this.byKey.values()].sort(compare); }
  get size() { return this.byKey.size; }
}

export const by = (name, down = false) => (a, b) => (a[name] < b[name] ? -1 : a[name] > b[name] ? 1 : 0) * (down ? -1 : 1);
