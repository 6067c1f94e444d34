/** The table of switches. */
import { askToggle } from "./actions.js";
import { byId, foreign } from "./dom.js";
import { filtered } from "./model.js";
import { Table } from "./table.js";

export class Switches {
  #model;
  #table;
  filter = "";

  constructor(model) {
    this.#model = model;
    this.#table = new Table(byId("switches"), {
      label: "Switches",
      columns: ["Switch", "Value"],
      draw: ({ item: { name, value } }) => [foreign(name), foreign(value)],
      onOpen: ({ item }) => askToggle(item),
    });
  }

  focus() {
    this.#table.focus();
  }

  show() {
    const { switches } = this.#model;
    const found = filtered(switches.all, this.filter);
    const isAll = found.length === switches.all.length;
    byId("tab-switches").querySelector(".count").textContent = isAll
      ? `${found.length}`
      : `${found.length} of ${switches.all.length}`;
    const rows = found.map((item) => ({ key: item.id, item, changedAt: switches.changedAt.get(item.id) }));
    this.#table.show(rows, switches.all.length === 0 ? "No switch is set." : "Nothing matches the filter.");
  }
}
