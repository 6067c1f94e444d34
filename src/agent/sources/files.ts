/** Definitions in files and folders, which are read again when they change. */
import { type Definitions, readDefinitions, showRemark } from "../../definitions/files.ts";
import { EmpusaError, UsageError } from "../../errors.ts";
import { counted } from "../../formats/counted.ts";
import { firstWithin } from "../../system/delay.ts";
import type { System } from "../../system/mod.ts";
import type { Source, SourceEvents, SourceService } from "../source.ts";

/**
 * Milliseconds between two looks at the files. Looks work on every file system, and see a folder that is replaced as a
 * whole, as Kubernetes does it. A change is read once two looks saw the same.
 */
const interval = 1000;

/** Files that never come to rest are read after so many looks all the same. */
const mostLooks = 5;

/** A look at thousands of files takes at most this part of the time. */
const share = 20;

type Files = Pick<System, "readFile" | "filesIn" | "readStdin" | "fingerprint">;

/** A source of definitions in files, and in the files of folders. */
export function filesSource(
  paths: readonly string[],
  system: Files,
): Source {
  return new FilesSource(paths, system);
}

class FilesSource implements Source {
  readonly name: string;
  /** What a broken file would name is not known, so that all stays as it was. */
  readonly isIndependent = false;
  readonly #paths: readonly string[];
  readonly #system: Files;
  #reload = Promise.withResolvers<void>();
  #reloaded = Promise.withResolvers<void>();
  /** What was said last: it is not said twice. */
  #said = "";

  constructor(paths: readonly string[], system: Files) {
    this.name = paths.join(", ");
    this.#paths = paths;
    this.#system = system;
  }

  async reload(): Promise<void> {
    const { promise } = this.#reloaded;
    this.#reload.resolve();
    await promise;
  }

  async run(events: SourceEvents, signal: AbortSignal): Promise<void> {
    let read = await this.#fingerprint();
    const first = await readDefinitions(this.#paths, this.#system);
    for (const line of remarksOf(first)) events.report("warn", line);
    if (first.mistakes.length > 0) {
      throw new UsageError(`${inWords(first)} in the definitions: the agent does not start like this`);
    }
    events.update(servicesOf(first));
    let seen = read;
    let took = 0;
    for (let changes = 0; !signal.aborted;) {
      const isForced = await this.#wait(took, signal);
      // A reload that comes from now on waits for the next read.
      const reloaded = this.#reloaded;
      if (isForced) this.#reloaded = Promise.withResolvers();
      if (signal.aborted) break;
      const began = performance.now();
      const now = await this.#fingerprint();
      took = performance.now() - began;
      const isSettled = now === seen;
      seen = now;
      changes = now === read || isSettled ? 0 : changes + 1;
      if (isForced || (now !== read && (isSettled || changes >= mostLooks))) {
        read = now;
        changes = 0;
        await this.#read(events);
      }
      if (isForced) reloaded.resolve();
    }
    this.#reloaded.resolve();
  }

  /**
   * Waits until it is time to look again.
   * @param took milliseconds that the last look took
   * @returns whether the definitions are to be read in any case
   */
  async #wait(took: number, signal: AbortSignal): Promise<boolean> {
    const reload = this.#reload.promise.then(() => true);
    const isForced = await firstWithin([reload], Math.max(interval, share * took), signal) ?? false;
    if (isForced) this.#reload = Promise.withResolvers();
    return isForced;
  }

  /** Tells what the files say now; nothing new if they are broken. */
  async #read(events: SourceEvents): Promise<void> {
    let definitions: Definitions;
    try {
      definitions = await readDefinitions(this.#paths, this.#system);
    } catch (error) {
      if (!(error instanceof EmpusaError)) throw error;
      return this.#say(events, [`${error.message}; the agent keeps the last good definitions`]);
    }
    const remarks = remarksOf(definitions);
    if (definitions.mistakes.length > 0) {
      return this.#say(events, [
        ...remarks,
        `${inWords(definitions)} in ${this.name}: the agent keeps the last good definitions`,
      ]);
    }
    this.#say(events, remarks);
    const services = servicesOf(definitions);
    events.report("info", `read ${this.name} again: ${counted(services.length, "service")}`);
    events.update(services);
  }

  #say(events: SourceEvents, lines: readonly string[]): void {
    const text = lines.join("\n");
    if (text === this.#said) return;
    this.#said = text;
    for (const line of lines) events.report("warn", line);
  }

  /** A text that is another one when a file is. */
  async #fingerprint(): Promise<string> {
    return (await Promise.all(this.#paths.map((path) => this.#system.fingerprint(path)))).join("\n");
  }
}

function servicesOf({ services }: Definitions): SourceService[] {
  return services.map(({ service, file, path }) => ({ definition: service, origin: `${file}: ${path}` }));
}

function remarksOf({ warnings, mistakes }: Definitions): string[] {
  return [...warnings, ...mistakes].map(showRemark);
}

function inWords({ mistakes: { length } }: Definitions): string {
  return counted(length, "mistake");
}
