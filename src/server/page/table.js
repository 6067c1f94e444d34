/** A table that draws only the rows that are seen, however many there are. All rows have one height. */
import { el } from "./dom.js";
import { fresh } from "./model.js";

/** Rows beyond the edges that are drawn as well. */
const beyond = 10;

export class Table {
  #rows = [];
  #current = 0;
  /** The rows that are drawn: their elements by key. */
  #drawn = new Map();
  #columns;
  #draw;
  #onOpen;
  #isDue = false;
  #scroller = el("div.scroller");
  #table = el("table", { tabIndex: 0, role: "grid" });
  #before = el("td.space");
  #body = el("tbody");
  #after = el("td.space");
  #empty = el("p.empty");

  /**
   * @param draw gives the cells of a row, or one cell for all columns
   * @param onOpen is called with the row that the user has chosen
   */
  constructor(parent, { label, columns, draw, onOpen }) {
    this.#columns = columns;
    this.#draw = draw;
    this.#onOpen = onOpen;
    const heads = columns.map((name) => el(`th.${name.toLowerCase()}`, { scope: "col" }, name));
    const space = (cell) => el("tbody", { "aria-hidden": "true" }, el("tr.space", {}, cell));
    this.#table.setAttribute("aria-label", label);
    this.#table.append(
      el("thead", {}, el("tr", {}, ...heads)),
      space(this.#before),
      this.#body,
      space(this.#after),
    );
    this.#scroller.append(this.#table);
    parent.append(this.#scroller, this.#empty);
    this.#scroller.addEventListener("scroll", () => this.redraw(), { passive: true });
    new ResizeObserver(() => this.redraw()).observe(this.#scroller);
    this.#table.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("click", (event) => this.#click(event));
  }

  /** The rows that are drawn now. */
  get seen() {
    return [...this.#drawn.values()];
  }

  /**
   * Shows other rows: each with a `key`, the `item` that it shows, and `changedAt`. A row is drawn anew if its item is another
   * one.
   */
  show(rows, empty) {
    const key = this.#rows[this.#current]?.key;
    this.#rows = rows;
    const moved = rows[this.#current]?.key === key ? this.#current : rows.findIndex((row) => row.key === key);
    this.#current = Math.max(moved, 0);
    this.#empty.textContent = rows.length === 0 ? empty : "";
    this.#table.setAttribute("aria-rowcount", `${rows.length + 1}`);
    this.redraw();
  }

  redraw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#render();
    });
  }

  focus() {
    this.#table.focus();
  }

  get #height() {
    return parseFloat(getComputedStyle(this.#scroller).getPropertyValue("--row")) || 36;
  }

  #render() {
    const { scrollTop, clientHeight } = this.#scroller;
    if (clientHeight === 0) return;
    const height = this.#height;
    const last = Math.min(Math.ceil((scrollTop + clientHeight) / height) + beyond, this.#rows.length);
    const first = Math.max(Math.min(Math.floor(scrollTop / height) - beyond, last - 1), 0);
    const drawn = new Map();
    for (let i = first; i < last; i++) {
      const row = this.#rows[i];
      const old = this.#drawn.get(row.key);
      const element = old?.row.item === row.item ? old.element : this.#element(row);
      element.setAttribute("aria-rowindex", `${i + 2}`);
      element.id = `row-${this.#columns[0]}-${i}`;
      element.ariaSelected = `${i === this.#current}`;
      flash(element, row, old);
      drawn.set(row.key, { row, element });
    }
    this.#drawn = drawn;
    this.#before.style.height = `${first * height}px`;
    this.#after.style.height = `${(this.#rows.length - last) * height}px`;
    place(this.#body, [...drawn.values()].map(({ element }) => element));
    this.#table.setAttribute("aria-activedescendant", `row-${this.#columns[0]}-${this.#current}`);
  }

  #element(row) {
    const cells = this.#draw(row);
    const names = cells.length === 1 ? ["all"] : this.#columns.map((name) => name.toLowerCase());
    return el(
      cells.length === 1 ? "tr.group" : "tr",
      {},
      ...cells.map((cell, i) =>
        el(`td.${names[i]}`, cells.length === 1 ? { colSpan: this.#columns.length } : {}, cell)
      ),
    );
  }

  #key(event) {
    const page = Math.max(Math.floor(this.#scroller.clientHeight / this.#height) - 2, 1);
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step !== undefined) this.#move(this.#current + step);
    else if (event.key === "Enter" && this.#rows[this.#current] !== undefined) {
      this.#onOpen(this.#rows[this.#current]);
    } else return;
    event.preventDefault();
  }

  #move(to) {
    this.#current = Math.max(Math.min(to, this.#rows.length - 1), 0);
    const height = this.#height;
    const top = this.#current * height;
    const visible = this.#scroller.clientHeight - 2 * height;
    if (this.#scroller.scrollTop > top) this.#scroller.scrollTop = top;
    if (this.#scroller.scrollTop < top - visible) this.#scroller.scrollTop = top - visible;
    this.redraw();
  }

  #click(event) {
    if (event.target.closest("a") !== null || getSelection()?.type === "Range") return;
    const element = event.target.closest("tr");
    const found = this.seen.find((one) => one.element === element);
    if (found === undefined) return;
    this.#current = this.#rows.indexOf(found.row);
    this.redraw();
    this.#onOpen(found.row);
  }
}

/** Shows that a row has changed a moment ago. An element that is made anew goes on where another one was. */
function flash(element, { changedAt = -Infinity }, old) {
  const age = performance.now() - changedAt;
  if (age > fresh) return element.classList.remove("changed");
  if (old?.element === element && old.row.changedAt === changedAt) return;
  element.classList.remove("changed");
  // Only a layout in between makes the animation begin again.
  void element.offsetWidth;
  element.style.animationDelay = `-${age}ms`;
  element.classList.add("changed");
  // Where nothing is to move, it is a color that stays.
  setTimeout(() => element.classList.remove("changed"), fresh - age);
}

/** Makes them the children, and leaves those alone that are in place, as a click may be under way on one. */
function place(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
}
