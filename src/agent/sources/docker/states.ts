/** What is known of containers, and what becomes of their services. It knows no daemon, so that tables can test it. */
import { escapeControls, shorten } from "../../../system/escape.ts";
import type { Container } from "./container.ts";
import { type EngineEvent, signalNumber } from "./events.ts";
import type { Standing } from "./naming.ts";

/** What a HEALTHCHECK has said last. */
interface Verdict {
  readonly startedAt: string;
  readonly out: string | undefined;
}

interface Known {
  readonly container: Container;
  readonly verdict: Verdict | undefined;
}

/** Signals that end a process. Others, such as SIGHUP, have it read its configuration again. */
const endingSignals = ["SIGTERM", "SIGKILL", "SIGINT", "SIGQUIT"].map(signalNumber);

/** The most UTF-16 code units of what a health check printed. */
const longestOutput = 120;

export class States {
  readonly #known = new Map<string, Known>();
  /**
   * Containers that stop, with the run that does, which is empty if it is not known. A container that stops stays
   * healthy for a while, and the daemon says so: it counts again in its next run.
   */
  readonly #stopping = new Map<string, string>();
  /** The run that is known of a container that has started again: what happens to it now is about another one. */
  readonly #over = new Map<string, string>();

  /** Takes in an event. Afterwards, the container has to be inspected. */
  take({ id, kind, signal }: EngineEvent): void {
    const container = this.#known.get(id)?.container;
    if (kind === "starts") {
      this.#stopping.delete(id);
      if (container !== undefined) this.#over.set(id, container.startedAt);
    } else if (kind === "stops" || (kind === "kill" && ends(signal, container))) {
      const { startedAt = "" } = container ?? {};
      this.#stopping.set(id, startedAt === this.#over.get(id) ? "" : startedAt);
    }
  }

  /** Takes in an inspection of a container; undefined if there is none of that ID. */
  inspected(id: string, container: Container | undefined): void {
    if (container?.isRunning !== true) {
      this.#known.delete(id);
      this.#stopping.delete(id);
      this.#over.delete(id);
      return;
    }
    const before = this.#known.get(id);
    const { startedAt, health } = container;
    // An answer may be of the time before the start.
    if (startedAt !== this.#over.get(id)) {
      this.#over.delete(id);
      if (this.#stopping.get(id) === "") this.#stopping.set(id, startedAt);
    }
    // A daemon that has restarted begins anew with a container that went on: what was said of this run still counts.
    const last = before?.verdict?.startedAt === startedAt ? before.verdict : undefined;
    const verdict = health === undefined || health.status === "starting"
      ? last
      : { startedAt, out: health.status === "healthy" ? undefined : unhealthy(health.output) };
    const isSame = JSON.stringify(plain(before?.container)) === JSON.stringify(plain(container));
    this.#known.set(id, {
      container: isSame && before !== undefined ? before.container : container,
      verdict,
    });
  }

  /** The IDs of containers that run, as far as is known. */
  ids(): string[] {
    return [...this.#known.keys()];
  }

  /** Whether a container is kept out because it was told to stop. */
  isStopping(id: string): boolean {
    return this.#stopping.has(id);
  }

  /** Begins anew with a daemon: which run an event without an inspection was about is not to be found out any more. */
  reconnected(): void {
    for (const [id, startedAt] of this.#stopping) if (startedAt === "") this.#stopping.delete(id);
  }

  /** Has containers count again that were told to stop and still run. */
  forgetStopping(): void {
    this.#stopping.clear();
  }

  /** All that run. */
  standings(): Standing[] {
    return [...this.#known.values()].map(({ container, verdict }) => {
      const { id, health, startedAt, isPaused } = container;
      const stopping = this.#stopping.get(id);
      const isStopping = stopping === startedAt || stopping === "";
      return {
        container,
        isNamed: !isStopping && (health === undefined || verdict !== undefined),
        out: isPaused ? "paused" : health === undefined ? undefined : verdict?.out,
      };
    });
  }
}

function ends(signal: number | undefined, container: Container | undefined): boolean {
  if (signal === undefined) return true;
  return endingSignals.includes(signal) || signal === signalNumber(container?.stopSignal ?? "");
}

/** The reason, with the first line that a check printed: it is hostile text of any length. */
function unhealthy(output: string): string {
  const line = output.slice(0, 4096).split("\n").map((line) => line.trim()).find((line) => line !== "") ?? "";
  const shown = shorten(escapeControls(line.toWellFormed().replaceAll("\ufffd", "?")), longestOutput);
  return shown === "" ? "unhealthy" : `unhealthy: ${shown}`;
}

/** As JSON can say it. */
function plain(container: Container | undefined): unknown {
  return container && { ...container, labels: [...container.labels], published: [...container.published] };
}
