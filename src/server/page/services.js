/** The table of instances. */
import { askWhat } from "./actions.js";
import { byId, el, foreign, location } from "./dom.js";
import { filtered } from "./model.js";
import { Table } from "./table.js";
import { Ttls } from "./ttls.js";

const columns = ["State", "Type", "Name", "Location", "Tags", "Weight", "TTL", "Since"];

export class Services {
  #model;
  #table;
  #ttls;
  /** Types whose instances are not shown. */
  #folded = new Set();
  filter = "";
  isGrouped = true;

  constructor(model) {
    this.#model = model;
    this.#table = new Table(byId("services"), {
      label: "Instances",
      columns,
      draw: ({ item }) => "count" in item ? [group(item)] : this.#cells(item),
      onOpen: ({ item }) => "count" in item ? this.#fold(item.type) : this.#open(item),
    });
    this.#ttls = new Ttls();
    this.#ttls.follow(() => byId("services").hidden ? [] : this.#table.seen);
  }

  focus() {
    this.#table.focus();
  }

  show() {
    const { instances, lostAt } = this.#model;
    const found = filtered(instances.all, this.filter);
    const row = (item) => ({ key: item.id, item, changedAt: instances.changedAt.get(item.id) });
    const rows = this.isGrouped
      ? groups(found).flatMap((group) => [
        this.#groupRow(group, lostAt.get(group.type)),
        ...this.#folded.has(group.type) ? [] : group.rows.map(row),
      ])
      : found.map(row);
    const isAll = found.length === instances.all.length;
    byId("tab-services").querySelector(".count").textContent = isAll
      ? `${found.length}`
      : `${found.length} of ${instances.all.length}`;
    this.#table.show(
      rows,
      instances.all.length === 0 ? "No instance is registered." : "Nothing matches the filter.",
    );
  }

  /** A group that says the same is the same item, so that it is not drawn anew. */
  #groups = new Map();
  #groupRow({ type, rows }, changedAt) {
    const up = rows.filter(({ state }) => state === "up").length;
    const isFolded = this.#folded.has(type);
    const old = this.#groups.get(type);
    const isSame = old?.up === up && old.count === rows.length && old.isFolded === isFolded;
    const item = isSame ? old : { type, up, count: rows.length, isFolded };
    this.#groups.set(type, item);
    // No ID of an instance is without a slash.
    return { key: type, item, changedAt };
  }

  #fold(type) {
    if (!this.#folded.delete(type)) this.#folded.add(type);
    this.show();
  }

  #cells(item) {
    const { type, name, location: where, tags, weight, state, reason } = item;
    const tagList = el("span", { title: tags.join(", ") }, ...tags.map((tag) => el("span.tag", {}, tag)));
    return [
      el(`span.state`, { "data-state": state, title: reason }, state),
      ...[type, name].map(foreign),
      location(where),
      tagList,
      `${weight}`,
      this.#ttls.bar(item),
      sinceOf(item),
    ];
  }

  #open(item) {
    const known = this.#ttls.text(item);
    askWhat(item, [
      ["Location", location(item.location)],
      ["State", item.reason === "" ? item.state : `${item.state}: ${item.reason}`],
      ["Tags", item.tags.join(", ")],
      ["Metadata", item.pairs.join("\n")],
      ["Weight", `${item.weight}`],
      ["TTL", known],
      ["Since", item.since === undefined ? "" : new Date(item.since).toLocaleString()],
    ]);
  }
}

function groups(instances) {
  const found = [];
  for (const item of instances) {
    if (found.at(-1)?.type !== item.type) found.push({ type: item.type, rows: [] });
    found.at(-1).rows.push(item);
  }
  return found;
}

function group({ type, up, count, isFolded }) {
  const counts = up === count ? `${count} up` : `${up} of ${count} up`;
  return el(
    "span.groupline",
    { "aria-expanded": `${!isFolded}` },
    el("span.fold", { "aria-hidden": "true" }, isFolded ? "▸" : "▾"),
    foreign(type),
    el(up === 0 ? "span.count none" : "span.count", {}, counts),
  );
}

function sinceOf({ since }) {
  if (since === undefined) return "";
  return el(
    "time",
    { dateTime: new Date(since).toISOString(), title: new Date(since).toLocaleString() },
    timeOf(since),
  );
}

/** The time of today, else the day. */
function timeOf(since) {
  const date = new Date(since);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? date.toLocaleTimeString([], { timeStyle: "short" }) : date.toLocaleDateString();
}
