import type { Output } from "./system.ts";

/** From the least talkative to the most. */
export const logLevels = ["error", "warn", "info", "debug"] as const;

export type LogLevel = typeof logLevels[number];

/** Lines for the person who runs the program, on stderr: results never go through here. */
export class Log {
  readonly #output: Output;
  readonly #level: LogLevel;

  constructor(output: Output, level: LogLevel) {
    this.#output = output;
    this.#level = level;
  }

  /** What ends the command, and what to do about it. */
  async error(message: string, hint?: string): Promise<void> {
    await this.#write("error", message);
    if (hint !== undefined) await this.#write("error", hint);
  }

  warn(message: string): Promise<void> {
    return this.#write("warn", `warning: ${message}`);
  }

  info(message: string): Promise<void> {
    return this.#write("info", message);
  }

  debug(message: string): Promise<void> {
    return this.#write("debug", `debug: ${message}`);
  }

  async #write(level: LogLevel, message: string): Promise<void> {
    if (logLevels.indexOf(level) > logLevels.indexOf(this.#level)) return;
    try {
      await this.#output.write(`empusa: ${message}\n`);
    } catch {
      // A full disk or a terminal that is gone must not end what the line is about.
    }
  }
}
