// One side as a grid: columns are days or technicians, cards are visits. It shows, and decides nothing.

export const MINUTE = 60_000;
export const DAY = 86_400_000;
export const TALL = 75 * MINUTE; // room for a name on two lines

/** `15:30` of a moment in milliseconds, in UTC like every time on the board. */
export function hourText(moment) {
  return new Date(moment).toISOString().slice(11, 16);
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Whether something stands in a column: it is that technician's, and begins on that day. */
export function isIn({ technician, start }, column) {
  return technician === column.technician && start >= column.date && start < column.date + DAY;
}

export class Grid {
  /** `side` is "dynamics" or "outlook". */
  constructor(root, side) {
    this.root = root;
    this.side = side;
    this.columns = [];
    this.held = null; // {key, start, end, technician}: where somebody holds a card just now
    this._elements = new Map();
    this._heads = make("div", "heads");
    this._hours = make("div", "hours");
    this._area = make("div", "columns");
    root.append(this._heads, this._hours, this._area);
  }

  /** Show `cards` in `columns` ({technician, date, label, absent}) between the hours `from` and `to`. */
  render(columns, cards, from, to) {
    const signature = JSON.stringify([columns, from, to]);
    const isNew = signature !== this._signature;
    if (isNew) this._layOut(columns, from, to);
    this._signature = signature;
    this._cards = cards;
    this._place(isNew);
  }

  /** Hold a card somewhere, or with null let it go back to where it is. */
  hold(held) {
    const released = this.held?.key;
    this.held = held;
    this._place(false, released);
  }

  /** The card as it is, also while it is held somewhere else. */
  cardOf(element) {
    return element?.closest?.(".card")?.card ?? null;
  }

  columnAt(clientX) {
    const area = this._area.getBoundingClientRect();
    const index = Math.floor(((clientX - area.left) / area.width) * this.columns.length);
    return this.columns[Math.min(Math.max(index, 0), this.columns.length - 1)];
  }

  /** The technician and the half hour at a place between the cards; null beside the columns. */
  slotAt({ clientX, clientY }) {
    const area = this._area.getBoundingClientRect();
    if (clientX < area.left || clientX > area.right || clientY < area.top || clientY > area.bottom) return null;
    const minutes = this._from * 60 + Math.floor((clientY - area.top) / this.pixelsPerMinute / 30) * 30;
    const { technician, date } = this.columnAt(clientX);
    return { technician, start: date + minutes * MINUTE };
  }

  columnOf(span) {
    return this.columns.findIndex((column) => isIn(span, column));
  }

  get pixelsPerMinute() {
    return this._area.getBoundingClientRect().height / ((this._to - this._from) * 60);
  }

  _layOut(columns, from, to) {
    Object.assign(this, { columns, _from: from, _to: to });
    this._elements.clear();
    this._heads.replaceChildren(...columns.map((column) => make("div", "", column.label)));
    const marks = [];
    for (let hour = from; hour <= to; hour += 1) {
      const mark = make("span", "", String(hour).padStart(2, "0"));
      mark.append(make("span", "minutes", ":00"));
      mark.style.top = `${((hour - from) / (to - from)) * 100}%`;
      marks.push(mark);
    }
    this._hours.replaceChildren(...marks);
    this._area.style.height = `calc(${to - from} * var(--hour))`;
    this._area.replaceChildren(
      ...columns.map((column) => {
        const element = make("div", column.absent ? "column none" : "column");
        if (column.absent) element.append(make("div", "none-note", column.absent));
        return element;
      }),
    );
  }

  /** `released` was held until now: where it goes is no news. */
  _place(isNew, released = null) {
    const spans = this._cards.map((card) => ({ ...card, ...(this.held?.key === card.key ? this.held : {}), card }));
    const shown = spans.map((span) => ({ span, column: this.columnOf(span) })).filter(({ column }) => column >= 0);
    const seen = new Set();
    let next = this._area.querySelector(".card");
    for (const { span, column, lane, lanes } of inLanes(shown, this.held?.key)) {
      seen.add(span.key);
      const element = this._elements.get(span.key) ?? this._add(span.key);
      const stays = this._fill(element, span, { column, lane, lanes }, !isNew && span.key !== released);
      // The order for the keyboard; a card that moves just now is put in its place the next time, or it would jump
      if (element === next) next = element.nextElementSibling;
      else if (stays && element !== document.activeElement) this._area.insertBefore(element, next);
    }
    for (const [key, element] of this._elements) {
      if (seen.has(key)) continue;
      element.remove();
      this._elements.delete(key);
    }
  }

  _add(key) {
    const element = make("button");
    element.type = "button";
    element.addEventListener("animationend", () => element.classList.remove("arrived"));
    this._elements.set(key, element);
    this._area.append(element);
    return element;
  }

  /** Whether it stays where it was. */
  _fill(element, span, { column, lane, lanes }, mayBeNews) {
    const midnight = this.columns[column].date;
    const from = midnight + this._from * 60 * MINUTE;
    const whole = (this._to - this._from) * 60 * MINUTE;
    const top = Math.max(0, (span.start - from) / whole);
    const bottom = Math.min(1, (span.end - from) / whole);
    const share = 1 / this.columns.length;
    const place = {
      left: `calc(${((column + lane / lanes) * share * 100).toFixed(3)}% + 2px)`,
      width: `calc(${((share / lanes) * 100).toFixed(3)}% - 4px)`,
      top: `${(top * 100).toFixed(3)}%`,
      height: `calc(${((bottom - top) * 100).toFixed(3)}% - 2px)`,
    };
    const isHeld = this.held?.key === span.key;
    const moment = `${span.technician} ${span.start} ${span.end}`;
    const stays = element.moment === moment;
    if (mayBeNews && !stays && !isHeld) element.classList.add("arrived");
    Object.assign(element.style, place);
    Object.assign(element, { moment, card: span.card });
    const isTall = span.end - span.start >= TALL;
    const classes = ["card", ...span.kinds, isTall ? "tall" : "", isHeld ? "held" : ""].filter(Boolean);
    classes.push(...["arrived", "lit"].filter((kind) => element.classList.contains(kind)));
    if (element.className !== classes.join(" ")) element.className = classes.join(" ");
    const texts = [
      ["name", span.name],
      ["late", span.late],
      ["line", `${hourText(span.start)}–${hourText(span.end)}`],
      ["line", span.late ? "" : span.line],
    ].filter(([, text]) => text);
    texts.length = Math.min(texts.length, isTall ? 4 : 2);
    const content = JSON.stringify(texts);
    if (element.content !== content) element.replaceChildren(...texts.map(([kind, text]) => make("span", kind, text)));
    element.content = content;
    element.setAttribute("aria-label", span.label);
    element.title = span.label;
    return stays;
  }
}

/** Each span in its column with the lane in which it stands beside others; what is held floats above them. */
function* inLanes(shown, heldKey) {
  const order = (one, other) => one.start - other.start || one.key.localeCompare(other.key);
  const sorted = shown.sort((one, other) => one.column - other.column || order(one.span, other.span));
  let cluster = [];
  let column = null;
  let end = -Infinity;
  for (const one of sorted) {
    if (one.span.key === heldKey) {
      yield { ...one, lane: 0, lanes: 1 };
      continue;
    }
    if (one.column !== column || one.span.start >= end) {
      yield* laned(cluster);
      [cluster, column, end] = [[], one.column, -Infinity];
    }
    cluster.push(one);
    end = Math.max(end, one.span.end);
  }
  yield* laned(cluster);
}

function* laned(cluster) {
  const ends = [];
  const lanes = cluster.map(({ span }) => {
    const free = ends.findIndex((end) => end <= span.start);
    const lane = free < 0 ? ends.length : free;
    ends[lane] = span.end;
    return lane;
  });
  for (const [index, one] of cluster.entries()) yield { ...one, lane: lanes[index], lanes: ends.length };
}
