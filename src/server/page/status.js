/** How the endpoints of etcd are, and the server. */
import { byId, el, foreign, span } from "./dom.js";
import { ask } from "./stream.js";

/** Milliseconds between two questions, while the tab is open, and at least. */
const every = 5000;
const least = 1000;

const columns = ["Endpoint", "State", "Role", "Version", "Latency", "Database", "Alarms"];

export class Status {
  #isAsking = false;
  #at = -Infinity;

  constructor() {
    setInterval(() => document.visibilityState === "visible" && this.show(), every);
  }

  focus() {}

  async show() {
    const panel = byId("etcd");
    // Each change of the registry shows everything anew.
    if (panel.hidden || this.#isAsking || performance.now() - this.#at < least) return;
    this.#isAsking = true;
    this.#at = performance.now();
    try {
      const answer = await ask("api/status");
      if (answer.ok) panel.replaceChildren(...draw(await answer.json()));
    } catch {
      // The stream says that there is no connection.
    } finally {
      this.#isAsking = false;
    }
  }
}

function draw({ endpoints, ...server }) {
  const head = el("thead", {}, el("tr", {}, ...columns.map((name) => el("th", { scope: "col" }, name))));
  const facts = [
    ["Version of empusa", server.version],
    ["Index", server.index],
    [
      "etcd was last heard",
      server.last_contact_ms === null ? "never" : `${span(server.last_contact_ms / 1000)} ago`,
    ],
    ["Instances", `${server.services}, of ${server.types} types`],
    ["Switches", server.switches],
    ["Long polls, streams", `${server.long_polls}, ${server.streams}`],
  ];
  return [
    el(
      "table.plain",
      { "aria-label": "Endpoints of etcd" },
      head,
      el("tbody", {}, ...endpoints.map(endpointRow)),
    ),
    el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
  ];
}

function endpointRow({ endpoint, reachable, version, leader, latency_ms, database_bytes, alarms, error }) {
  const known = (value, text = value) => value === null ? "" : `${text}`;
  const cells = [
    foreign(endpoint),
    el(
      "span.state",
      { "data-state": reachable ? "up" : "unhealthy" },
      reachable ? "reachable" : error ?? "unreachable",
    ),
    leader === null ? "" : leader ? "leader" : "follower",
    known(version),
    known(latency_ms, `${latency_ms} ms`),
    known(database_bytes, `${(database_bytes / 1048576).toFixed(1)} MiB`),
    alarms === null ? "" : alarms.join(", "),
  ];
  return el("tr", {}, ...cells.map((cell, i) => el("td", { "data-name": columns[i] }, cell)));
}
