// Elements from data: texts are always texts, never markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, attributes, children);
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** A table of rows; on a phone each row becomes a small card. columns: [{label, of(row), number, sort}]. */
export function table(columns, rows, { caption, sorted, onsort } = {}) {
  const head = columns.map((column, index) => {
    const order = sorted && sorted.index === index ? (sorted.down ? "descending" : "ascending") : null;
    const label = onsort && column.sort
      ? h("button", { type: "button", onclick: () => onsort(index) }, column.label, order ? (sorted.down ? " ↓" : " ↑") : "")
      : column.label;
    return h("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": order }, label);
  });
  const body = rows.map((row) => h("tr", {}, columns.map((column) =>
    h("td", { class: column.number ? "number" : null, "data-label": column.label }, column.of(row) ?? "–"))));
  return h("div", { class: "scroll" }, h("table", { class: "wide" },
    caption ? h("caption", { class: "soft" }, caption) : null, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

export function figure(label, value) {
  return h("div", { class: "figure" }, h("b", {}, value ?? "–"), h("span", {}, label));
}

export function mark(text, kind = text) {
  return h("span", { class: `mark ${/^[\w-]+$/.test(kind) ? kind : ""}` }, text);
}
