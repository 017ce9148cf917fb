// The local board: asks once a second how both sides are, shows it, and passes on what people do.
// Everything that comes from a service reaches the page as text, never as markup.

import { DAY, Grid, hourText, isIn, make, TALL } from "./grid.js";
import { makeForm, pathOf } from "./form.js";
import { makeMovable } from "./moving.js";
import { showStory, showTroubles } from "./story.js";

const EVERYBODY = "everybody";
const LATE_SECONDS = 30;
const HOUR = 3_600_000;
const USUAL_START = 16 * HOUR;
const POLL = 1000;
const POLL_UNSEEN = 10_000;

const byId = (id) => document.getElementById(id);
const narrow = window.matchMedia("(max-width: 640px)");
const grids = { dynamics: new Grid(byId("dynamics"), "dynamics"), outlook: new Grid(byId("outlook"), "outlook") };
const view = { whose: "", week: 0, day: 0, chosen: null, slot: null }; // `slot` is where a new visit is wanted
let state = null;
let cards = [];
const names = new Map(); // of bookings and events, by their ids
let refreshes = 0;

const form = makeForm({ act, close: () => choose(null) });

/** Ask the board's server; what it refuses is shown, and answers null. */
async function ask(method, path, body) {
  try {
    const answer = await fetch(path, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
    const said = await answer.json();
    if (answer.ok) return said;
    showProblem(said.error, answer.status === 503);
    return null;
  } catch {
    showProblem("The board's server does not answer. Is ./dev up still running?", true);
    return null;
  }
}

/** Do something, and show at once what became of it; whether it was done. */
async function act(method, path, body) {
  showProblem("");
  const done = await ask(method, path, body);
  await refresh();
  return done;
}

/** Whether the server answered. Of several refreshes under way, what the last one finds is shown. */
async function refresh() {
  const own = ++refreshes;
  const next = await ask("GET", "/api/state");
  if (!next || own !== refreshes) return Boolean(next);
  if (!state) begin(next);
  state = next;
  for (const { id, subject } of state.events) names.set(id, subject);
  for (const { id, name } of state.bookings) names.set(id, name);
  render();
  const rows = await ask("GET", `/api/journal?${storyQuery()}`);
  if (rows && own === refreshes) showStory(byId("journal"), rows, { nameOf, choose: chooseById });
  return true;
}

function storyQuery() {
  const query = new URLSearchParams(byId("echoes").checked ? { dropped: "yes" } : {});
  const { chosen } = view;
  if (chosen?.booking) query.set("booking", chosen.booking);
  else if (chosen) query.set("event", chosen.id);
  else if (view.whose !== EVERYBODY) query.set("technician", view.whose);
  return query;
}

async function poll() {
  try {
    const isWell = await refresh();
    if (isWell && byId("problem").dataset.passes === "true") showProblem("");
  } finally {
    setTimeout(poll, document.hidden ? POLL_UNSEEN : POLL);
  }
}

function begin(first) {
  const options = first.technicians.map(({ id, name }) => new Option(name, id));
  byId("whose").replaceChildren(...options, new Option("Everybody", EVERYBODY));
  const asked = new URLSearchParams(location.hash.slice(1));
  const whose = [...byId("whose").options].find((option) => option.value === asked.get("whose"));
  view.whose = whose?.value ?? first.technicians[0].id;
  view.week = Date.parse(asked.get("week") ?? "") || Date.parse(first.week);
  view.day = Number(asked.get("day")) || 0;
  byId("whose").value = view.whose;
}

function bookingCard(booking) {
  const { id, name, account, status, is_cancelled: isCancelled, undelivered } = booking;
  const line = [account, status === "Scheduled" ? "" : status, undelivered].filter(Boolean).join(" · ");
  const kinds = ["booking", ...(isCancelled ? ["cancelled"] : [])];
  return card({ ...booking, key: `booking ${id}`, side: "dynamics", booking: id, title: name, line, kinds });
}

function eventCard(event) {
  const kinds = event.booking ? ["event"] : ["event", "private"];
  const line = event.booking ? "" : "private";
  return card({ ...event, key: `event ${event.id}`, side: "outlook", title: event.subject, line, kinds });
}

function card({ start, end, kinds, ...rest }) {
  const difference = rest.booking && state.unequal.find((one) => one.booking === rest.booking);
  const full = { ...rest, name: rest.title, start: Date.parse(start), end: Date.parse(end) };
  full.late = difference ? lateText(full, difference.seconds) : "";
  const day = dayText(full.start, { weekday: "long", day: "numeric", month: "long" });
  const when = `${day}, ${hourText(full.start)} to ${hourText(full.end)}`;
  const standing = difference ? `${standingText(difference.seconds)}, ${difference.why}` : "";
  full.label = [full.title, rest.line, when, standing].filter(Boolean).join(", ");
  full.kinds = [...kinds, ...(difference ? ["unequal"] : []), ...(isChosen(full) ? ["chosen"] : [])];
  return full;
}

function standingText(seconds) {
  return seconds < LATE_SECONDS ? "not equal yet" : "not equal";
}

/** In a sign where a card has no room for words. */
function lateText(one, seconds) {
  const isSmall = view.whose === EVERYBODY || one.end - one.start < TALL;
  return `${isSmall ? "≠" : `${standingText(seconds)} ·`} ${Math.floor(seconds)} s`;
}

function isChosen(one) {
  return view.chosen !== null && (one.key === view.chosen.key || (one.booking && one.booking === view.chosen.booking));
}

function render() {
  cards = [...state.bookings.map(bookingCard), ...state.events.map(eventCard)];
  const columns = columnsShown();
  const [from, to] = hoursShown(columns);
  for (const [side, grid] of Object.entries(grids)) {
    const own = side === "outlook" ? columns : columns.map((column) => ({ ...column, absent: "" }));
    grid.render(own, cards.filter((one) => one.side === side), from, to);
  }
  renderFrame();
  if (view.chosen) view.chosen = cards.find((one) => one.key === view.chosen.key) ?? null;
  form.show(view.chosen, state, view.slot ?? usualSlot());
  showTroubles(byId("troubles"), state.troubles, setTrouble);
}

function setTrouble(name, isOn) {
  act("PUT", `/api/troubles/${name}`, { is_on: isOn });
}

/** The working day, or longer where something lies outside it. */
function hoursShown(columns) {
  const inView = cards.filter((one) => columns.some((column) => isIn(one, column)));
  const ends = inView.map((one) => hourOf(one.start) + (one.end - one.start) / HOUR);
  const from = Math.floor(Math.min(6, ...inView.map((one) => hourOf(one.start))));
  return [from, Math.min(24, Math.ceil(Math.max(18, ...ends)))];
}

function usualSlot() {
  const technician = view.whose === EVERYBODY ? state.technicians[0].id : view.whose;
  return { technician, start: dateOf(view.day) + USUAL_START };
}

/** Days of one technician, technicians of one day, or on a narrow screen one day of one. */
function columnsShown() {
  const column = (one, day, label) => ({
    technician: one.id,
    date: dateOf(day),
    label,
    absent: one.has_mailbox ? "" : "no mailbox",
  });
  if (view.whose === EVERYBODY) {
    const label = ({ name }) => (narrow.matches ? initials(name) : name);
    return state.technicians.map((one) => column(one, view.day, label(one)));
  }
  const owner = state.technicians.find((one) => one.id === view.whose);
  return (narrow.matches ? [view.day] : daysShown()).map((day) => column(owner, day, dayText(dateOf(day))));
}

/** The working days, and those of a weekend on which there is something. */
function daysShown() {
  const ofView = cards.filter((one) => [EVERYBODY, one.technician].includes(view.whose));
  const isBusy = (day) => ofView.some((one) => one.start >= dateOf(day) && one.start < dateOf(day + 1));
  return [0, 1, 2, 3, 4, ...[5, 6].filter(isBusy)];
}

function renderFrame() {
  byId("now").textContent = hourText(Date.parse(state.now));
  const short = { day: "numeric", month: "short" };
  byId("week").textContent = `${dayText(view.week, short)} – ${dayText(dateOf(4), { ...short, year: "numeric" })}`;
  const count = state.unequal.length;
  const visits = count === 1 ? "1 visit is" : `${count} visits are`;
  setText("standing-words", count ? `${visits} not equal yet` : "Both sides are equal");
  setText("standing-seconds", count ? `· ${Math.floor(state.unequal[0].seconds)} s` : "");
  byId("standing").classList.toggle("waits", count > 0);
  const whose = view.whose === EVERYBODY ? "everybody" : byId("whose").selectedOptions[0].text;
  setText("journal-of", view.chosen ? `of ${view.chosen.title} alone` : `of ${whose}, newest first`);
  renderDays();
}

function renderDays() {
  const isNeeded = view.whose === EVERYBODY || narrow.matches;
  byId("days").hidden = !isNeeded;
  const signature = `${view.week} ${view.day} ${daysShown()}`;
  if (!isNeeded || byId("days").dataset.shows === signature) return;
  const focused = byId("days").contains(document.activeElement);
  byId("days").dataset.shows = signature;
  byId("days").replaceChildren(
    ...daysShown().map((day) => {
      const button = make("button", "", dayText(dateOf(day)));
      button.type = "button";
      button.setAttribute("aria-pressed", String(day === view.day));
      button.addEventListener("click", () => look({ day }));
      return button;
    }),
  );
  if (focused) byId("days").querySelector("[aria-pressed=true]")?.focus();
}

/** Look somewhere else. */
function look(change) {
  Object.assign(view, { slot: null, ...change });
  const place = new URLSearchParams({ whose: view.whose, week: dayKey(view.week), day: view.day });
  history.replaceState(null, "", `#${place}`);
  render();
  refresh();
}

function choose(one, slot = null) {
  Object.assign(view, { chosen: one, slot });
  render();
  refresh();
}

/** From a row of the journal: the booking, else the event; shown where it is. */
function chooseById(bookingId, eventId) {
  const found = cardById("booking", bookingId) ?? cardById("event", eventId);
  if (!found) return;
  const week = mondayOf(found.start);
  if (view.whose !== EVERYBODY && found.technician) byId("whose").value = found.technician;
  view.chosen = found;
  look({ whose: byId("whose").value, week, day: Math.floor((found.start - week) / DAY) });
}

function cardById(kind, id) {
  return cards.find((one) => one.key === `${kind} ${id}`);
}

/** What a row of the journal is about, also when it is gone by now; null for what was never seen. */
function nameOf(bookingId, eventId) {
  return names.get(bookingId) ?? names.get(eventId) ?? null;
}

/** The technician only when it is another one. */
function move(one, span) {
  const times = { start: new Date(span.start).toISOString(), end: new Date(span.end).toISOString() };
  const technician = span.technician === one.technician ? {} : { technician: span.technician };
  return act("PATCH", pathOf(one), { ...times, ...technician });
}

/** `isPassing`: it goes away when the next answer is well. */
function showProblem(text, isPassing = false) {
  setText("problem", text);
  byId("problem").hidden = !text;
  byId("problem").dataset.passes = isPassing;
}

/** Only when it differs, so that nothing is read aloud again. */
function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

const dateOf = (day) => view.week + day * DAY;
const hourOf = (moment) => (moment % DAY) / HOUR;
const mondayOf = (moment) => moment - (moment % DAY) - ((new Date(moment).getUTCDay() + 6) % 7) * DAY;
const dayKey = (moment) => new Date(moment).toISOString().slice(0, 10);
const initials = (name) => name.split(" ").map((word) => word[0]).join("");
const dayText = (moment, options = { weekday: "short", day: "numeric" }) =>
  new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(moment);

for (const grid of Object.values(grids)) {
  const chooseSlot = (slot) => choose(null, slot);
  makeMovable(grid, { move, choose, chooseSlot, announce: (text) => setText("announcement", text) });
  for (const [on, off] of [["mouseover", "mouseout"], ["focusin", "focusout"]]) {
    grid.root.addEventListener(on, (event) => light(grid.cardOf(event.target)));
    grid.root.addEventListener(off, () => light(null));
  }
}

/** The same visit on the other side. */
function light(one) {
  for (const grid of Object.values(grids)) {
    for (const element of grid.root.querySelectorAll(".card")) {
      element.classList.toggle("lit", Boolean(one?.booking) && element.card.booking === one.booking);
    }
  }
}

byId("whose").addEventListener("change", (event) => {
  view.chosen = null;
  look({ whose: event.target.value });
});
byId("back").addEventListener("click", () => look({ week: view.week - 7 * DAY }));
byId("forth").addEventListener("click", () => look({ week: view.week + 7 * DAY }));
byId("sweep").addEventListener("click", () => act("POST", "/api/sweep"));
byId("echoes").addEventListener("change", refresh);
narrow.addEventListener("change", () => state && render());
document.addEventListener("visibilitychange", () => document.hidden || refresh());
poll();
