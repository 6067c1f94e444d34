/** Where an agent hears which services to keep registered. A source is one file, or one folder, in `sources/`. */
import type { ServiceDefinition } from "../definitions/rules.ts";

/** A service that a source names. */
export interface SourceService {
  /** Its placeholders `{hostname}`, `{ip}` and the like are the agent's to fill. */
  readonly definition: ServiceDefinition;
  /** Where it comes from, for messages: `web.yaml:7: services[0]`, or `container web-1`. */
  readonly origin: string;
  /** Why it is out of use, whatever its checks say. Undefined if its checks alone decide. */
  readonly out?: string | undefined;
}

/** What a source tells the agent. Neither call throws or blocks. */
export interface SourceEvents {
  /** All services that the source names from now on, in place of those that it named before. */
  readonly update: (services: readonly SourceService[]) => void;
  /** What people should know of the source: it is logged, and part of the status while it is a warning. */
  readonly report: (level: "info" | "warn", message: string) => void;
}

export interface Source {
  /** As people know it: `services.d`, `Docker`. */
  readonly name: string;
  /** Whether a service that cannot be used is left out by itself. Otherwise all stays as it was. */
  readonly isIndependent: boolean;
  /**
   * Follows the source until the signal is aborted. The first update completes the start.
   * @throws {UsageError} before the first update only: if the agent cannot start like this
   */
  readonly run: (events: SourceEvents, signal: AbortSignal) => Promise<void>;
  /** Has the source read again what it knows. Resolves when that is done, or has failed. */
  readonly reload: () => Promise<void>;
}
