// The form below the grids: books a visit, or changes the one that is chosen, on the side where it was chosen.

const HOUR = 3_600_000;

/** `act(method, path, body)` passes on what is wanted, and answers null when it is refused. */
export function makeForm({ act, close }) {
  const form = document.getElementById("form");
  const fields = form.elements;
  const [submit] = form.getElementsByClassName("main");
  const ids = ["form-heading", "form-note", "cancel", "delete", "close"];
  const [heading, note, cancel, remove, shut] = ids.map((id) => document.getElementById(id));
  let shown = null; // the card in the form, null for a new one
  let filled = null; // what the fields were given
  let isTouched = false;

  /** Show a card, or an empty form for a `usual` technician and start; what is being written in it stays. */
  function show(card, state, usual) {
    if (!filled) fillChoices(state);
    if (card?.key !== shown?.key) isTouched = false;
    shown = card;
    if (isTouched) return;
    const start = card?.start ?? usual.start;
    filled = {
      name: card?.title ?? "",
      technician: card?.technician ?? usual.technician,
      start: local(start),
      end: local(card?.end ?? start + HOUR),
      status: card?.status ?? "Scheduled",
    };
    for (const [name, value] of Object.entries(filled)) if (fields[name].value !== value) fields[name].value = value;
    dress(card);
  }

  function fillChoices(state) {
    fields.technician.replaceChildren(...state.technicians.map(({ id, name }) => new Option(name, id)));
    fields.status.replaceChildren(...state.statuses.map((name) => new Option(name, name)));
  }

  function dress(card) {
    const isEvent = card?.side === "outlook";
    const isBooking = card?.side === "dynamics";
    heading.textContent = isEvent ? "Event in Outlook" : isBooking ? "Booking in Dynamics" : "New visit";
    note.textContent = noteOn(card);
    submit.textContent = card ? "Save" : "Book it in Dynamics";
    fields.technician.disabled = isEvent;
    fields.status.parentElement.hidden = !isBooking;
    cancel.hidden = !isBooking || card.kinds.includes("cancelled");
    remove.textContent = card ? `Delete the ${isEvent ? "event" : "booking"}` : "Add a private event in Outlook";
    shut.hidden = !card;
  }

  function noteOn(card) {
    if (!card) return "Times are in UTC.";
    if (card.kinds.includes("private")) return "Private: born in Outlook, so the app leaves it alone.";
    if (card.side === "outlook") return "Its times belong to both sides, its name to Dynamics.";
    if (!card.account) return "The event is named like the booking.";
    return `For ${card.account}. The event is named after the work order.`;
  }

  function written() {
    const { name, technician, start, end } = fields;
    return { name: name.value.trim(), technician: technician.value, ...times(start.value, end.value) };
  }

  /** What somebody has changed here, and nothing of what has changed elsewhere meanwhile. */
  function changes() {
    const isChanged = (name) => fields[name].value !== filled[name];
    const texts = ["name", "technician", "status"].filter(isChanged).map((name) => [name, fields[name].value.trim()]);
    const isMoved = isChanged("start") || isChanged("end");
    return { ...Object.fromEntries(texts), ...(isMoved ? times(fields.start.value, fields.end.value) : {}) };
  }

  async function save() {
    return shown ? act("PATCH", pathOf(shown), changes()) : act("POST", "/api/bookings", written());
  }

  async function removeOrAdd() {
    if (shown) return act("DELETE", pathOf(shown));
    if (!form.reportValidity()) return null;
    const { technician, ...rest } = written();
    return act("POST", `/api/events/${technician}`, rest);
  }

  /** Afterwards the form shows again what is. */
  async function finish(doing) {
    if (await doing) isTouched = false;
  }

  form.addEventListener("input", () => (isTouched = true));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    finish(save());
  });
  remove.addEventListener("click", () => finish(removeOrAdd()));
  cancel.addEventListener("click", () => finish(act("PATCH", pathOf(shown), { status: "Canceled" })));
  shut.addEventListener("click", close);
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  return { show };
}

/** Where a card's visit is reached. */
export function pathOf({ side, technician, id }) {
  return side === "outlook" ? `/api/events/${technician}/${encodeURIComponent(id)}` : `/api/bookings/${id}`;
}

const local = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 16);
const times = (start, end) => ({ start: `${start}:00Z`, end: `${end}:00Z` });
