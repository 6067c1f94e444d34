/** Writes the state of the registry to a file, if that is plausible and has changed. */
import { counted } from "../formats/counted.ts";
import { EmpusaError } from "../errors.ts";
import { type FormatName, formats, type Rendered } from "../formats/mod.ts";
import { compareInstances, type RegisteredInstance } from "../registry/mod.ts";
import type { Log } from "../system/log.ts";
import type { OutputFile, System } from "../system/mod.ts";
import { Warnings } from "../system/warnings.ts";
import { type Doubt, Guard, type GuardOptions } from "./guard.ts";
import { StandardOutput, standardOutput } from "./standard_output.ts";

/** All instances as they were at a revision. */
export interface Snapshot {
  readonly items: readonly RegisteredInstance[];
  readonly revision: number;
}

export interface ExporterOptions {
  readonly format: FormatName;
  readonly types: readonly string[];
  readonly haproxyBackend: string | undefined;
  /** A path, or `standardOutput`. */
  readonly output: string;
  /** Whether a file that cannot be written is a failure to retry, or an error. */
  readonly retries: boolean;
  readonly guard: GuardOptions;
  /** Reports what the format has skipped. Throws if that is an error. */
  readonly onRendered: (rendered: Rendered) => Promise<void>;
  /** Runs after the file was written, and again if it failed. Resolves to an exit code. */
  readonly hook: ((snapshot: Snapshot) => Promise<number>) | undefined;
}

export class Exporter {
  readonly #options: ExporterOptions;
  readonly #system: Pick<System, "stdout" | "outputFile">;
  readonly #log: Log;
  readonly #guard: Guard;
  readonly #file: OutputFile;
  readonly #warnings: Warnings;
  /** The last warning, which is not repeated with every attempt. */
  #warned = "";

  constructor(options: ExporterOptions, system: Pick<System, "stdout" | "outputFile">, log: Log) {
    this.#options = options;
    this.#system = system;
    this.#log = log;
    this.#guard = new Guard(options.guard);
    this.#warnings = new Warnings(log);
    const { output } = options;
    this.#file = output === standardOutput ? new StandardOutput(system.stdout) : system.outputFile(output);
  }

  /** Whether it writes to standard output, and the reader is gone. */
  get isUnread(): boolean {
    return this.#options.output === standardOutput && !this.#system.stdout.open;
  }

  /** Resolves to the exit code of the hook, 0 without one; or to why nothing was written. */
  async export({ items, revision }: Snapshot): Promise<number | "failed" | Doubt> {
    const { format, output, types, haproxyBackend, onRendered, hook } = this.#options;
    const instances = items.toSorted(compareInstances);
    const { render, count } = formats[format];
    const rendered = await render(instances, { color: false, terminal: false, types, haproxyBackend });
    await onRendered(rendered);
    try {
      const before = await this.#file.read();
      const entries = count(rendered.text);
      const doubt = this.#guard.check(entries, count(before ?? ""));
      if (doubt !== undefined) {
        await this.#warn(`kept ${output}: ${doubt.why}`);
        return doubt;
      }
      // Before the write, in case empusa is killed in between.
      if (hook !== undefined && before !== rendered.text) await this.#file.setPending(true);
      await this.#reportWritten(await this.#file.write(rendered.text), entries);
    } catch (error) {
      const why = error instanceof Error ? error.message : `${error}`;
      if (!this.#options.retries) throw new EmpusaError(`cannot write ${output}: ${why}`, { cause: error });
      await this.#warn(`cannot write ${output}, retrying: ${why}`);
      return "failed";
    }
    this.#warned = "";
    if (hook === undefined || !await this.#file.isPending()) return 0;
    const code = await hook({ items: instances, revision });
    if (code === 0) await this.#file.setPending(false);
    return code;
  }

  async #reportWritten(how: Awaited<ReturnType<OutputFile["write"]>>, count: number): Promise<void> {
    const { output } = this.#options;
    // Standard output shows it.
    if (how === "kept" || output === standardOutput) return;
    await this.#log.info(`wrote ${output}: ${counted(count, "entry", "entries")}`);
    if (how === "replaced") return;
    await this.#warnings.warn(
      output,
      `${output} was overwritten in place, because it is a mount point or its folder is read-only. A reader may see half of ` +
        "it for a moment; mount its folder instead",
    );
  }

  async #warn(message: string): Promise<void> {
    if (message !== this.#warned) await this.#log.warn(message);
    this.#warned = message;
  }
}
