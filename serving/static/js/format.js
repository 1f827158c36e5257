// Numbers and times as people read them; what is missing is an en dash.

const missing = (value) => value === null || value === undefined;

export const number = (value, digits = 1) =>
  missing(value) ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
export const whole = (value) => number(value, 0);
export const km = (value) => (missing(value) ? "–" : `${number(value)} km`);

export function duration(seconds) {
  if (missing(seconds)) return "–";
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")} h`;
}

/** How long who drives a vehicle, or drove it last, may drive on, by a row of vehicle_live; null: no rules, or not known. */
export function driveLeft({ drive_left_min: minutes, drive_left_rule: rule, drive_left_at: at }) {
  if (missing(minutes)) return null;
  return { minutes, text: duration(minutes * 60), why: `${rule ?? "rules of drivers' hours"}${at ? `, at ${clock(at)} UTC` : ""}; advisory` };
}

export const clock = (text) => (text ? text.slice(11, 19) : "–");
export const hourMinute = (text) => (text ? text.slice(11, 16) : "–");

export function ago(ms, now = Date.now()) {
  if (missing(ms)) return "–";
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

export function bytes(value) {
  if (missing(value)) return "–";
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (value < 1000 || unit === "GB") return `${number(value, value < 10 && unit !== "B" ? 1 : 0)} ${unit}`;
    value /= 1000;
  }
  return "–";
}

export const events = { harsh_accel: "Harsh acceleration", harsh_brake: "Harsh brake", harsh_corner: "Harsh corner",
  speeding: "Speeding", idling: "Idling", possible_crash: "Possible crash", hours_warning: "Driving hours: warning",
  hours_breach: "Driving hours: breach", break_possible: "Break possible" };
export const eventName = (type) => events[type] ?? type;
