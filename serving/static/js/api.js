// Requests to the API, with the key if there is one, and loops that say when they lost it.

const KEY = "kappafleet.key";
const TIMEOUT_MS = 15000;

export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || "No answer");
    this.status = status;
    this.kind = String(problem.type || "").replace("urn:kappafleet:problem:", "");
    this.title = problem.title;
  }
}

export const key = () => sessionStorage.getItem(KEY);
export const setKey = (token) => (token ? sessionStorage.setItem(KEY, token) : sessionStorage.removeItem(KEY));

export async function get(path, { raw = false, signal } = {}) {
  const token = key();
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let answer;
  try {
    answer = await fetch(path, {
      headers: { Accept: raw ? "*/*" : "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
      cache: "no-cache", signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0, { title: "The server does not answer", detail: "It may be restarting, or the network is down." });
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ title: `Status ${answer.status}` }));
    throw new Refusal(answer.status, problem);
  }
  return raw ? answer : answer.json();
}

/** All rows of a question, page after page, up to a bound. */
export async function rows(path, { most = 20000, signal } = {}) {
  const found = [];
  for (let next = path; next && found.length < most; ) {
    const page = await get(next, { signal });
    found.push(...page.rows);
    next = page.next;
  }
  return found;
}

export const at = (...parts) => parts.map((part) => encodeURIComponent(part)).join("/");

/**
 * Asks again and again while the page is seen, so often as everyMs says, or at once by now(). show(found) gets what came; fail(error) the first time's failure; later
 * failures only make the feed lost, and what is shown stays.
 */
export function watch(load, everyMs, show, fail, feed) {
  const stop = new AbortController();
  let shown = false, timer = 0, running = false;
  const turn = async () => {
    clearTimeout(timer);
    if (stop.signal.aborted || running) return;
    running = true;
    try {
      const found = await load(stop.signal);
      if (stop.signal.aborted) return;
      shown = true;
      feed.alive();
      show(found);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof Refusal)) console.error(error);
      if (!shown || (error.status >= 400 && error.status < 500 && error.status !== 429)) fail(error);
      else feed.lost(error);
    } finally {
      running = false;
      if (!stop.signal.aborted && !document.hidden) timer = setTimeout(turn, typeof everyMs === "function" ? everyMs() : everyMs);
    }
  };
  const seen = () => { if (!document.hidden) turn(); };
  document.addEventListener("visibilitychange", seen);
  turn();
  const end = () => { stop.abort(); clearTimeout(timer); document.removeEventListener("visibilitychange", seen); };
  end.now = turn;
  return end;
}
