// The journal, newest first, and the troubles. Both keep the elements that they have, so that focus and reading aloud
// are not disturbed by what is shown already.

import { make } from "./grid.js";

/** `nameOf(booking, event)` is what people call an item, `choose(booking, event)` shows it. */
export function showStory(list, rows, { nameOf, choose }) {
  const known = new Map([...list.children].filter((one) => one.key).map((one) => [one.key, one]));
  const isFirst = known.size === 0;
  const wanted = rows.map((row) => known.get(row.key) ?? entry(row, { nameOf, choose, isNews: !isFirst }));
  const kept = new Set(wanted);
  for (const one of [...list.children]) if (!kept.has(one)) one.remove();
  if (!wanted.length) wanted.push(make("li", "empty", "Nothing yet: move something."));
  let next = list.firstElementChild;
  for (const one of wanted) {
    if (one === next) next = next.nextElementSibling;
    else list.insertBefore(one, next);
  }
}

function entry(row, { nameOf, choose, isNews }) {
  const element = make("li", isNews ? "arrived" : "");
  element.key = row.key;
  const time = make("time", "", row.at.slice(11, 19));
  time.dateTime = row.at;
  const what = make("div", "what");
  const name = nameOf(row.booking, row.event);
  if (name) {
    const button = make("button", "", name);
    button.type = "button";
    button.addEventListener("click", () => choose(row.booking, row.event));
    what.append(button, " ");
  }
  what.append(make("code", "word", row.action), row.done ? ` ${row.done}` : "");
  const moved = [row.before, row.after].filter(Boolean).map(shortened).join(" → ");
  const why = [row.why ? `${row.reason}: ${row.why}` : row.reason, moved].filter(Boolean).join(" · ");
  what.append(make("span", "why", why));
  const cost = make("div", "cost", callsText(row));
  const kinds = Object.entries(row.calls).map(([kind, count]) => `${count} × ${kind}`);
  cost.title = kinds.join("\n");
  cost.append(make("span", "why", `after ${row.seconds} s`));
  element.append(time, what, cost);
  return element;
}

/** `Mon 23 Nov 09:00–11:00` of the journal's `2026-11-23 09:00 to 2026-11-23 11:00 UTC`. */
function shortened(span) {
  return span.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d) to \1 (\d\d:\d\d) UTC/, (_, day, start, end) => {
    const options = { timeZone: "UTC", weekday: "short", day: "numeric", month: "short" };
    return `${new Intl.DateTimeFormat("en-GB", options).format(Date.parse(day))} ${start}–${end}`;
  });
}

function callsText({ graph, dynamics }) {
  const parts = [graph && `${graph} Graph`, dynamics && `${dynamics} Dynamics`].filter(Boolean);
  return parts.join(" + ") || "no call";
}

/** `set(name, isOn)` begins a trouble or ends it. */
export function showTroubles(root, troubles, set) {
  if (!root.children.length) {
    for (const { name, title, hint } of troubles) {
      const button = make("button", "", title);
      button.type = "button";
      button.name = name;
      button.append(make("span", "", hint));
      button.addEventListener("click", () => set(name, button.getAttribute("aria-pressed") !== "true"));
      root.append(button);
    }
  }
  for (const { name, is_on: isOn } of troubles) {
    root.querySelector(`[name="${CSS.escape(name)}"]`).setAttribute("aria-pressed", String(isOn));
  }
}
