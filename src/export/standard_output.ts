/** Standard output in the place of a file: what is written there is there for good. */
import { resultFor } from "../system/escape.ts";
import type { Output, OutputFile } from "../system/mod.ts";

/** What `--output` says for it. */
export const standardOutput = "-";

/** Whoever reads it gets each state that differs from the one before, whole, one after the other. */
export class StandardOutput implements OutputFile {
  readonly #stdout: Output;
  #text: string | undefined;
  #pending = false;

  constructor(stdout: Output) {
    this.#stdout = stdout;
  }

  read(): Promise<string | undefined> {
    return Promise.resolve(this.#text);
  }

  async write(text: string): Promise<"kept" | "replaced"> {
    if (text === this.#text) return "kept";
    await this.#stdout.write(resultFor(this.#stdout, text));
    this.#text = text;
    return "replaced";
  }

  isPending(): Promise<boolean> {
    return Promise.resolve(this.#pending);
  }

  setPending(pending: boolean): Promise<void> {
    this.#pending = pending;
    return Promise.resolve();
  }
}
