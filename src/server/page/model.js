/** What the server has told: instances and switches, and when each of them last changed. */

/** Milliseconds for which a change is shown as new. */
export const fresh = 2000;

/** Items of one kind, in order. Items never change: a change makes another one. */
class Items {
  #byId = new Map();
  #sorted;
  /** When the items changed, by ID, as of `performance.now()`. */
  changedAt = new Map();

  get all() {
    return this.#sorted ??= [...this.#byId.values()].sort(compare);
  }

  get(id) {
    return this.#byId.get(id);
  }

  /** Takes in everything there is. Only what was known otherwise is new. */
  fill(items) {
    const before = this.#byId;
    this.#byId = new Map(items.map((item) => [item.id, item]));
    this.#sorted = undefined;
    if (before.size === 0) return;
    for (const item of items) {
      const old = before.get(item.id);
      item.since ??= old?.since;
      if (old?.same !== item.same) note(this.changedAt, item.id);
    }
  }

  change(put, deleted) {
    for (const id of deleted) {
      this.#byId.delete(id);
      this.changedAt.delete(id);
    }
    for (const item of put) {
      const old = this.#byId.get(item.id);
      item.since ??= old === undefined ? Date.now() : old.since;
      this.#byId.set(item.id, item);
      note(this.changedAt, item.id);
    }
    if (put.length + deleted.length > 0) this.#sorted = undefined;
  }
}

/** By type, if there is one, then by name. */
function compare(a, b) {
  if (a.type !== b.type) return a.type < b.type ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}

/** Notes that it is changing now, and forgets what has changed long ago. */
function note(times, id) {
  const now = performance.now();
  for (const [old, at] of times) {
    if (now - at < fresh) break;
    times.delete(old);
  }
  times.delete(id);
  times.set(id, now);
}

export class Model extends EventTarget {
  instances = new Items();
  switches = new Items();
  /** Types of which an instance has gone a moment ago, and when. */
  lostAt = new Map();
  /** Whether everything has been told once. */
  isFilled = false;

  /** Takes in an event of the stream. */
  take(kind, data) {
    if (kind === "change") {
      for (const id of data.deleted) note(this.lostAt, id.split("/")[0]);
      this.instances.change(data.put.map(instance), data.deleted);
      this.switches.change(data.switches.put.map(switchItem), data.switches.deleted);
    } else {
      this.instances.fill(data.services.map(instance));
      this.switches.fill(data.switches.map(switchItem));
    }
    this.isFilled = true;
    this.dispatchEvent(new Event("change"));
  }
}

function instance(raw) {
  const { service: id, type, name, location, tags, meta, weight, state, reason } = raw;
  const pairs = Object.entries(meta).map(([key, value]) => `${key}=${value}`);
  const since = Date.parse(raw.since);
  return {
    ...{ id, type, name, location, tags, pairs, weight, state, reason },
    since: Number.isNaN(since) ? undefined : since,
    same: JSON.stringify(raw),
    text: [state, type, name, location, reason, ...tags, ...pairs].join("\n").toLowerCase(),
  };
}

function switchItem({ switch: name, value }) {
  return { id: name, name, value, same: value, text: `${name}\n${value}`.toLowerCase() };
}

/** Those items that hold each word of the filter. */
export function filtered(items, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return items;
  return items.filter(({ text }) => words.every((word) => text.includes(word)));
}
