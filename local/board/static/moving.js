// Moving cards on a grid: with the mouse, with a finger that has rested on a card, and with the arrow keys.

import { DAY, hourText, MINUTE } from "./grid.js";

const STEP = 15 * MINUTE;
const EDGE_PIXELS = 7;
const MOUSE_PIXELS = 4;
const FINGER_PIXELS = 10;
const FINGER_REST = 250;

/** `move(card, span)` is told where somebody has put a card, `choose(card)` which one was clicked,
 *  and `chooseSlot({technician, start})` which free place. */
export function makeMovable(grid, { move, choose, chooseSlot, announce }) {
  let grip = null;
  let ignoresClick = false;
  let isKeeping = false; // what was put somewhere stays there until the service has answered

  const spanOf = ({ key, start, end, technician }) => ({ key, start, end, technician });

  function begin() {
    grip.isActive = true;
    grid.hold(spanOf(grip.card));
  }

  function follow(event) {
    const minutes = (event.clientY - grip.y) / grid.pixelsPerMinute;
    const by = Math.round((minutes * MINUTE) / STEP) * STEP;
    const { card } = grip;
    if (grip.isEdge) {
      grid.hold({ ...spanOf(card), end: Math.max(card.start + STEP, card.end + by) });
      return;
    }
    const start = Math.round((card.start + by) / STEP) * STEP;
    grid.hold(moved(card, start, grid.columnAt(event.clientX)));
  }

  /** The card with its time of day in a column; an event stays in its mailbox. */
  function moved(card, start, column) {
    const own = grid.columns[grid.columnOf(card)];
    const target = grid.side === "outlook" && column.technician !== card.technician ? own : column;
    const timeOfDay = Math.min(Math.max(start - own.date, 0), DAY - STEP);
    const begins = target.date + timeOfDay;
    return { key: card.key, start: begins, end: begins + card.end - card.start, technician: target.technician };
  }

  async function keep(card) {
    const { held } = grid;
    isKeeping = true;
    try {
      if (["start", "end", "technician"].some((name) => held[name] !== card[name])) await move(card, held);
    } finally {
      isKeeping = false;
      grid.hold(null);
    }
  }

  function letGo() {
    clearTimeout(grip?.timer);
    grip = null;
  }

  grid.root.addEventListener("pointerdown", (event) => {
    const card = grid.cardOf(event.target);
    if (!card || event.button !== 0 || grid.held) return;
    grip = { card, x: event.clientX, y: event.clientY, id: event.pointerId, isActive: false };
    grip.isEdge = event.clientY > event.target.getBoundingClientRect().bottom - EDGE_PIXELS;
    grip.isFinger = event.pointerType === "touch";
    if (grip.isFinger) grip.timer = setTimeout(begin, FINGER_REST);
  });

  window.addEventListener("pointermove", (event) => {
    if (!grip || event.pointerId !== grip.id) return;
    const far = Math.hypot(event.clientX - grip.x, event.clientY - grip.y);
    if (!grip.isActive && grip.isFinger && far > FINGER_PIXELS) letGo();
    else if (!grip.isActive && !grip.isFinger && far > MOUSE_PIXELS) begin();
    if (grip?.isActive) follow(event);
  });

  window.addEventListener("pointerup", (event) => {
    if (!grip || event.pointerId !== grip.id) return;
    const { card, isActive } = grip;
    letGo();
    if (!isActive) return;
    ignoresClick = true;
    setTimeout(() => (ignoresClick = false));
    keep(card);
  });

  window.addEventListener("pointercancel", () => {
    if (grip?.isActive) grid.hold(null);
    letGo();
  });

  // A finger that holds a card does not scroll the page
  grid.root.addEventListener("touchmove", (event) => grip?.isActive && event.preventDefault(), { passive: false });
  grid.root.addEventListener("contextmenu", (event) => grip?.isFinger && event.preventDefault());

  grid.root.addEventListener("click", (event) => {
    if (ignoresClick) return;
    const card = grid.cardOf(event.target);
    if (card) choose(card);
    else if (grid.slotAt(event)) chooseSlot(grid.slotAt(event));
  });

  grid.root.addEventListener("keydown", (event) => {
    const card = grid.cardOf(event.target);
    if (!card || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isKeeping) {
      event.preventDefault();
    } else if (event.key === "Enter" && grid.held) {
      event.preventDefault();
      keep(card);
    } else if (event.key === "Escape" && grid.held) {
      event.stopPropagation();
      letGo();
      undo();
    } else if (stepOf(event)) {
      event.preventDefault();
      step(card, stepOf(event), event.shiftKey);
    }
  });

  function step(card, { days, minutes }, isEnd) {
    const held = grid.held ?? spanOf(card);
    if (isEnd) {
      grid.hold({ ...held, end: Math.max(held.start + STEP, held.end + minutes) });
    } else {
      const index = grid.columnOf(held) + days;
      const column = grid.columns[Math.min(Math.max(index, 0), grid.columns.length - 1)];
      grid.hold(moved({ ...card, ...held }, held.start + minutes, column));
    }
    const now = grid.held;
    const { label } = grid.columns[grid.columnOf(now)];
    announce(`${label}, ${hourText(now.start)} to ${hourText(now.end)}. Enter keeps, Escape undoes.`);
  }

  grid.root.addEventListener("focusout", (event) => {
    if (grid.held && grid.held.key === grid.cardOf(event.target)?.key && !grip && !isKeeping) undo();
  });

  function undo() {
    grid.hold(null);
    announce("Back where it was.");
  }
}

function stepOf({ key }) {
  const minutes = { ArrowUp: -STEP, ArrowDown: STEP }[key] ?? 0;
  const days = { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0;
  return minutes || days ? { minutes, days } : null;
}
