/** What `/metrics` tells, in the words of Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { addDns } from "./dns/metrics.ts";
import type { DnsCounts } from "./dns/mod.ts";
import { staleness } from "./freshness.ts";
import type { Route } from "./http/router.ts";
import type { Activity } from "./routes/context.ts";
import type { ReadableView } from "./view.ts";

/** How many types have figures of their own; others may make up any number of them. */
const mostTypes = 1000;

export interface Measured {
  readonly view: ReadableView;
  readonly activity: Activity;
  /** How many connections are open, and how many were closed at once as there were too many. */
  readonly connections: () => { readonly open: number; readonly refused: number };
  readonly version: string;
  /** Undefined if DNS is not served. */
  readonly dns: (() => DnsCounts) | undefined;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"path" | "code">;
  readonly #seconds: Histogram<"path">;
  /** Figures with their labels, which are costly to look up. */
  readonly #counts = new Map<string, Counter.Internal>();
  readonly #times = new Map<string, Histogram.Internal<"path">>();

  constructor(measured: Measured) {
    const registers = [this.#registry];
    this.#requests = new Counter({
      name: "empusa_http_requests_total",
      help: "Requests that were answered, by path and status code.",
      labelNames: ["path", "code"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "empusa_http_request_duration_seconds",
      help: "Time until an answer was ready, long polls included.",
      labelNames: ["path"],
      buckets: [0.0005, 0.001, 0.005, 0.025, 0.1, 1, 10, 60, 300],
      registers,
    });
    addRegistry(this.#registry, measured);
    addServer(this.#registry, measured);
    if (measured.dns !== undefined) addDns(this.#registry, measured.dns);
  }

  /** Counts an answer. */
  answered(path: string, status: number, seconds: number): void {
    const key = `${status} ${path}`;
    let count = this.#counts.get(key);
    if (count === undefined) this.#counts.set(key, count = this.#requests.labels(path, `${status}`));
    count.inc();
    let times = this.#times.get(path);
    if (times === undefined) this.#times.set(path, times = this.#seconds.labels(path));
    times.observe(seconds);
  }

  /** The route that tells them all. */
  get route(): Route {
    return {
      method: "GET",
      path: "/metrics",
      summary: "Give metrics in the text format of Prometheus.",
      produces: "text/plain",
      kind: "server",
      answer: async () => ({
        status: 200,
        headers: { "Content-Type": this.#registry.contentType },
        body: await this.#registry.metrics(),
      }),
    };
  }
}

function addRegistry(registry: Registry, { view }: Measured): void {
  const registers = [registry];
  new Gauge({
    name: "empusa_instances",
    help: `Instances by type and state, of the first ${mostTypes} types.`,
    labelNames: ["type", "state"],
    registers,
    collect(): void {
      this.reset();
      for (const { type, instances } of view.services.types.slice(0, mostTypes)) {
        const states = Map.groupBy(instances, ({ out }) => out?.state ?? "up");
        this.set({ type, state: "up" }, 0);
        for (const [state, those] of states) this.set({ type, state }, those.length);
      }
    },
  });
  gauge(registry, "empusa_switches", "Switches.", () => view.switches.length);
  gauge(
    registry,
    "empusa_etcd_up",
    "Whether etcd is heard.",
    () => view.isSynced && staleness(view) === 0 ? 1 : 0,
  );
  gauge(registry, "empusa_etcd_last_contact_seconds", "Time since etcd was last heard.", () => {
    return Number.isFinite(view.silence) ? view.silence / 1000 : NaN;
  });
  gauge(registry, "empusa_synced", "Whether the registry has been read.", () => view.isSynced ? 1 : 0);
  gauge(registry, "empusa_index", "Index of the last change.", () => view.index);
  counter(registry, "empusa_registrations_total", "Instances that came.", () => view.counts.registrations);
  counter(registry, "empusa_removals_total", "Instances that went.", () => view.counts.removals);
  counter(
    registry,
    "empusa_watch_resyncs_total",
    "Gaps in a watch that were closed by a read.",
    () => view.counts.resyncs,
  );
}

function addServer(registry: Registry, { activity, connections, version }: Measured): void {
  gauge(registry, "empusa_http_connections", "Open connections.", () => connections().open);
  counter(
    registry,
    "empusa_http_connections_refused_total",
    "Connections over the limit.",
    () => connections().refused,
  );
  gauge(registry, "empusa_http_long_polls", "Requests that wait for a change.", () => activity.polls);
  gauge(registry, "empusa_http_streams", "Open streams of events.", () => activity.streams);
  const startedAt = Date.now() / 1000;
  gauge(registry, "process_start_time_seconds", "When the server started, since the epoch.", () => startedAt);
  gauge(registry, "process_resident_memory_bytes", "Resident memory.", () => Deno.memoryUsage().rss);
  new Gauge({
    name: "empusa_build_info",
    help: "The version of empusa and of Deno.",
    labelNames: ["version", "deno"],
    registers: [registry],
  }).set({ version, deno: Deno.version.deno }, 1);
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect(): void {
      this.set(value());
    },
  });
}

/** A figure that is counted elsewhere. */
function counter(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect(): void {
      this.reset();
      this.inc(value());
    },
  });
}
