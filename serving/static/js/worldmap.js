// A plain map on a canvas: Natural Earth's outlines, a grid, a scale, and vehicles. Works without any network.

const MAX_ZOOM = 2 ** 19, MIN_ZOOM = 0.8, TAU = Math.PI * 2;
const STATES = { driving: "--good", idle: "--idle", stopped: "--off" };
let outlines = null;

async function world() {
  if (!outlines) {
    const topology = await (await fetch("vendor/countries-50m.json")).json();
    outlines = { land: polygons(topojson.feature(topology, topology.objects.land)),
      borders: topojson.mesh(topology, topology.objects.countries, (a, b) => a !== b).coordinates.flatMap(drawn) };
  }
  return outlines;
}

const polygons = (found) => (found.features ?? [found]).flatMap(({ geometry }) =>
  (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates).flatMap((rings) => rings.flatMap(drawn)));

/** A line across the 180th meridian goes on beyond it, and is drawn at both ends of the map. */
function drawn(line) {
  let turns = 0;
  const whole = line.map(([lon, lat], index) => {
    const jump = index ? lon - line[index - 1][0] : 0;
    if (Math.abs(jump) > 180 && Math.abs(lat) < 84) turns -= Math.sign(jump); // at the poles a line may be that long
    return [lon + 360 * turns, lat];
  });
  const found = [projected(whole)];
  if (found[0].east > 1) found.push(projected(whole.map(([lon, lat]) => [lon - 360, lat])));
  if (found[0].west < 0) found.push(projected(whole.map(([lon, lat]) => [lon + 360, lat])));
  return found;
}

function projected(ring) {
  const points = new Float64Array(ring.length * 2);
  let [west, south, east, north] = [2, 2, -1, -1];
  ring.forEach(([lon, lat], index) => {
    const [x, y] = mercator(lon, lat);
    points[2 * index] = x; points[2 * index + 1] = y;
    west = Math.min(west, x); east = Math.max(east, x); south = Math.min(south, y); north = Math.max(north, y);
  });
  return { points, west, south, east, north };
}

/** Web Mercator in [0, 1]. */
function mercator(lon, lat) {
  const sine = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
  return [lon / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}
const longitude = (x) => (x - 0.5) * 360;
const latitude = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

export class WorldMap {
  constructor(canvas, { chosen }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.onchosen = chosen;
    this.centre = [0.5, 0.4];
    this.zoom = 1;
    this.vehicles = [];
    this.selected = null;
    this.touched = false;
    this.pointers = new Map();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(canvas);
    this.redraw = () => this.draw();
    addEventListener("themechange", this.redraw);
    canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoomBy(2 ** (-event.deltaY / 250), event); }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); this.pointers.set(event.pointerId, event); this.moved = 0; });
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => { if (this.pointers.delete(event.pointerId) && name === "pointerup" && this.moved < 6) this.pick(event); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    world().then((found) => { this.world = found; this.draw(); canvas.dataset.outlines = "drawn"; }, () => {});
  }

  close() { this.observer.disconnect(); removeEventListener("themechange", this.redraw); }

  show(vehicles, selected) {
    this.vehicles = vehicles.filter((each) => each.lat !== null && each.lon !== null)
      .map((each) => ({ ...each, at: mercator(each.lon, each.lat) }));
    this.selected = selected;
    if (!this.touched) this.fit();
    this.draw();
  }

  fit(only = this.vehicles) {
    if (!only.length) return;
    const xs = only.map((each) => each.at[0]), ys = only.map((each) => each.at[1]);
    const width = Math.max(Math.max(...xs) - Math.min(...xs), 2e-5), height = Math.max(Math.max(...ys) - Math.min(...ys), 2e-5);
    const { clientWidth: w, clientHeight: t } = this.canvas;
    this.centre = [(Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2];
    this.zoom = Math.min(MAX_ZOOM, 0.8 * Math.min(w / width, t / height) / (w || 1));
  }

  focus(id) {
    const found = this.vehicles.find((each) => each.vehicle_id === id);
    this.selected = id;
    if (found) { this.centre = [...found.at]; this.zoom = Math.max(this.zoom, 2 ** 12); this.touched = true; }
    this.draw();
  }

  get scale() { return this.zoom * this.canvas.clientWidth; }

  screen([x, y]) {
    return [(x - this.centre[0]) * this.scale + this.canvas.clientWidth / 2, (y - this.centre[1]) * this.scale + this.canvas.clientHeight / 2];
  }

  zoomBy(factor, event) {
    this.touched = true;
    const box = this.canvas.getBoundingClientRect();
    const dx = event?.clientX ? event.clientX - box.left - box.width / 2 : 0, dy = event?.clientY ? event.clientY - box.top - box.height / 2 : 0;
    const before = this.scale;
    this.zoom = Math.max(MIN_ZOOM, Math.min(MAX_ZOOM, this.zoom * factor));
    this.centre[0] += dx / before - dx / this.scale;
    this.centre[1] += dy / before - dy / this.scale;
    this.draw();
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    this.touched = true;
    this.moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (this.pointers.size === 2) {
      const other = [...this.pointers.values()].find((each) => each.pointerId !== event.pointerId);
      const spread = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY) || 1;
      this.pointers.set(event.pointerId, event);
      this.zoomBy(spread(event) / spread(before), { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
      return;
    }
    this.centre[0] -= (event.clientX - before.clientX) / this.scale;
    this.centre[1] -= (event.clientY - before.clientY) / this.scale;
    this.pointers.set(event.pointerId, event);
    this.draw();
  }

  key(event) {
    const step = 60 / this.scale;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) { this.centre[0] += moves[event.key][0]; this.centre[1] += moves[event.key][1]; this.touched = true; this.draw(); }
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") { this.touched = false; this.fit(); this.draw(); }
    else return;
    event.preventDefault();
  }

  pick(event) {
    const box = this.canvas.getBoundingClientRect();
    let best = null, closest = 22;
    for (const each of this.vehicles) {
      const [x, y] = this.screen(each.at);
      const distance = Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
      if (distance < closest) [best, closest] = [each.vehicle_id, distance];
    }
    this.onchosen(best);
  }

  draw() {
    const { canvas, context: c } = this;
    const w = canvas.clientWidth, t = canvas.clientHeight, ratio = devicePixelRatio || 1;
    if (!w || !t) return;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(t * ratio)) { canvas.width = Math.round(w * ratio); canvas.height = Math.round(t * ratio); }
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = colour("--sea");
    c.fillRect(0, 0, w, t);
    if (this.world) {
      this.trace(this.world.land, true);
      c.fillStyle = colour("--land");
      c.fill("evenodd");
      c.lineWidth = 1;
      c.strokeStyle = colour("--border");
      c.stroke();
      this.trace(this.world.borders, false);
      c.stroke();
    }
    this.grid(colour, w, t);
    this.marks(colour);
    this.ruler(colour, t);
  }

  trace(rings, closed) {
    const { context: c, scale } = this;
    const [ox, oy] = this.screen([0, 0]);
    const w = this.canvas.clientWidth, t = this.canvas.clientHeight;
    c.beginPath();
    for (const { points, west, east, south, north } of rings) {
      if (east * scale + ox < 0 || west * scale + ox > w || north * scale + oy < 0 || south * scale + oy > t) continue;
      for (let index = 0; index < points.length; index += 2) {
        const x = points[index] * scale + ox, y = points[index + 1] * scale + oy;
        if (index) c.lineTo(x, y); else c.moveTo(x, y);
      }
      if (closed) c.closePath();
    }
  }

  grid(colour, w, t) {
    const { context: c } = this;
    const degrees = (360 / this.scale) * 130;
    const step = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001].findLast((each) => each >= degrees) ?? 30;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    c.strokeStyle = colour("--line");
    c.fillStyle = colour("--soft");
    c.font = "10px system-ui";
    c.lineWidth = 0.6;
    c.beginPath();
    const edge = (pixels, along) => this.centre[along] + (pixels - (along ? t : w) / 2) / this.scale;
    for (let lon = Math.ceil(longitude(edge(0, 0)) / step) * step; lon <= longitude(edge(w, 0)); lon += step) {
      const [x] = this.screen(mercator(lon, 0));
      c.moveTo(x, 0); c.lineTo(x, t);
      c.fillText(`${lon.toFixed(digits)}°`, x + 3, 11);
    }
    for (let lat = Math.ceil(latitude(edge(t, 1)) / step) * step; lat <= latitude(edge(0, 1)); lat += step) {
      const [, y] = this.screen(mercator(0, lat));
      c.moveTo(0, y); c.lineTo(w, y);
      c.fillText(`${lat.toFixed(digits)}°`, 3, y - 3);
    }
    c.stroke();
  }

  marks(colour) {
    const { context: c } = this;
    const named = this.vehicles.length <= 40;
    for (const each of this.vehicles) {
      const [x, y] = this.screen(each.at);
      const chosen = each.vehicle_id === this.selected;
      c.fillStyle = colour(STATES[each.state] ?? "--off");
      c.strokeStyle = colour(chosen ? "--text" : "--card");
      c.lineWidth = chosen ? 3 : 2;
      c.beginPath();
      if (each.state === "driving" && each.heading !== null && each.heading !== undefined) {
        const turn = (each.heading * Math.PI) / 180, tip = (angle, length) => [x + Math.sin(turn + angle) * length, y - Math.cos(turn + angle) * length];
        c.moveTo(...tip(0, 12)); c.lineTo(...tip(2.5, 10)); c.lineTo(...tip(Math.PI, 4)); c.lineTo(...tip(-2.5, 10)); c.closePath();
      } else c.arc(x, y, 7, 0, TAU);
      c.fill(); c.stroke();
      if (named || chosen) {
        c.font = `${chosen ? 600 : 400} 12px system-ui`;
        c.lineWidth = 3; c.strokeStyle = colour("--land"); c.strokeText(each.vehicle_id, x + 12, y + 4);
        c.fillStyle = colour("--text"); c.fillText(each.vehicle_id, x + 12, y + 4);
      }
    }
  }

  ruler(colour, t) {
    const { context: c } = this;
    const metres = (40075016 * Math.cos((latitude(this.centre[1]) * Math.PI) / 180)) / this.scale;
    const wanted = metres * 110, power = 10 ** Math.floor(Math.log10(wanted));
    const length = [5, 2, 1].map((each) => each * power).find((each) => each <= wanted) ?? power;
    c.strokeStyle = c.fillStyle = colour("--soft");
    c.lineWidth = 2;
    c.beginPath(); c.moveTo(12, t - 34); c.lineTo(12, t - 28); c.lineTo(12 + length / metres, t - 28); c.lineTo(12 + length / metres, t - 34); c.stroke();
    c.font = "11px system-ui";
    c.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, 17, t - 33);
  }
}
