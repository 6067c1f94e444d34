/** The time that is left to instances: asked for those that are seen, and running down in between. */
import { el, span } from "./dom.js";
import { ask } from "./stream.js";

/** Milliseconds between two questions, and the most instances of one. */
const every = 3000;
const most = 100;

export class Ttls {
  /** By ID: seconds that were left, those that were granted, and when that was. */
  #known = new Map();

  /** Asks for what is seen, as long as somebody looks. @param seen gives the rows that are drawn */
  follow(seen) {
    const isLooked = () => document.visibilityState === "visible";
    const instances = () => seen().filter(({ row: { item } }) => "location" in item);
    setInterval(() => isLooked() && this.#run(instances()), 1000);
    let isAsking = false;
    let asked = "";
    let at = -Infinity;
    setInterval(async () => {
      const items = instances().map(({ row: { item } }) => item).slice(0, most);
      const key = items.map(({ id }) => id).join("\n");
      const isDue = key !== asked || performance.now() - at > every;
      if (isAsking || items.length === 0 || !isLooked() || !isDue) return;
      [isAsking, asked, at] = [true, key, performance.now()];
      await this.#ask(items);
      this.#run(instances());
      isAsking = false;
    }, 500);
  }

  bar({ id }) {
    const bar = el("span.lease", {}, el("span.bar", {}, el("span")), el("span.left"));
    set(bar, this.#now(id));
    return bar;
  }

  text({ id }) {
    const now = this.#now(id);
    return now === undefined ? "none, or unknown" : `${span(now.left)} of ${span(now.granted)}`;
  }

  async #ask(items) {
    try {
      const answer = await ask("api/ttls", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ services: items.map(({ type, name }) => [type, name]) }),
      });
      if (!answer.ok) return;
      const { services } = await answer.json();
      const at = performance.now();
      const known = new Map();
      services.forEach((time, i) => time !== null && known.set(items[i].id, { ...time, at }));
      this.#known = known;
    } catch {
      // The stream says that there is no connection.
    }
  }

  #now(id) {
    const known = this.#known.get(id);
    if (known === undefined) return undefined;
    const passed = (performance.now() - known.at) / 1000;
    return { left: Math.max(known.ttl - passed, 0), granted: known.granted };
  }

  #run(rows) {
    for (const { row: { item }, element } of rows) {
      const bar = element.querySelector(".lease");
      if (bar !== null) set(bar, this.#now(item.id));
    }
  }
}

function set(bar, now) {
  bar.classList.toggle("unknown", now === undefined);
  if (now === undefined) return;
  const share = Math.min(now.left / now.granted, 1);
  bar.querySelector(".bar > span").style.width = `${Math.round(share * 100)}%`;
  bar.classList.toggle("low", share < 0.2);
  bar.querySelector(".left").textContent = span(now.left);
}
