// What a view shows while it has nothing to show: loading, empty, refused.

import { setKey } from "./api.js";
import { h } from "./dom.js";

export function loading(into) {
  into.replaceChildren(h("div", { class: "card", "aria-busy": "true" }, h("span", { class: "soft" }, "Loading…"),
    [1, 2, 3, 4].map(() => h("div", { class: "skeleton" }))));
}

export function empty(title, ...text) {
  return h("div", { class: "card state" }, h("h2", {}, title), text.map((each) => h("p", {}, each)));
}

export function refused(into, error, again) {
  if (error.kind === "no-tables") {
    into.replaceChildren(empty("No results yet", "The job has not written its tables.", error.message));
    return;
  }
  const box = h("div", { class: "card state error", role: "alert" }, h("h2", {}, error.title || "Something went wrong"),
    h("p", {}, error.message));
  if (error.kind === "key-needed" || error.kind === "key-unknown") {
    const input = h("input", { type: "password", autocomplete: "off", "aria-label": "API key", placeholder: "kf_…", required: true });
    box.append(h("form", { onsubmit: (event) => { event.preventDefault(); setKey(input.value.trim()); again(); } },
      input, h("button", { class: "primary" }, "Use this key")));
  } else if (error.status !== 403) {
    box.append(h("button", { type: "button", onclick: again }, "Try again"));
  }
  into.replaceChildren(box);
}
