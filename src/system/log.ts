import { escapeControls, shorten } from "./escape.ts";
import type { Output } from "./mod.ts";

/** From the least talkative to the most. */
export const logLevels = ["error", "warn", "info", "debug"] as const;

export type LogLevel = typeof logLevels[number];

export const logFormats = ["text", "json"] as const;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: typeof logFormats[number];
}

/** How long a line is waited for that nobody reads, in milliseconds, and how many such lines are kept. */
const patience = 1000;
const maxWaiting = 100;

/** How much of a message is told, in UTF-16 code units: others may write what it is about. */
const longestMessage = 8000;

/**
 * Lines for the person who runs the program, on stderr: results never go through here. Whoever does not read
 * them, or cannot store them, does not keep the program from its work.
 */
export class Log {
  readonly #output: Output;
  readonly #options: LogOptions;
  /** Lines that are being written, in order. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(output: Output, options: LogOptions = { level: "info", format: "text" }) {
    this.#output = output;
    this.#options = options;
  }

  /** What ends the command, and what to do about it. */
  async error(message: string, hint?: string): Promise<void> {
    await Promise.all(
      [message, ...hint === undefined ? [] : [hint]].map((line) => this.#write("error", line)),
    );
  }

  warn(message: string): Promise<void> {
    return this.#write("warn", message);
  }

  info(message: string): Promise<void> {
    return this.#write("info", message);
  }

  debug(message: string): Promise<void> {
    return this.#write("debug", message);
  }

  async #write(level: LogLevel, text: string): Promise<void> {
    if (logLevels.indexOf(level) > logLevels.indexOf(this.#options.level) || this.#waiting > maxWaiting) {
      return;
    }
    const message = shorten(text, longestMessage);
    const line = this.#options.format === "json" ? jsonLine(level, message) : textLine(level, message);
    this.#waiting++;
    this.#last = this.#last.then(() => this.#output.write(line)).catch(() => {}).finally(() =>
      this.#waiting--
    );
    let late: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([this.#last, new Promise<void>((resolve) => late = setTimeout(resolve, patience))]);
    clearTimeout(late);
  }
}

const prefixes: Readonly<Record<LogLevel, string>> = {
  error: "",
  warn: "warning: ",
  info: "",
  debug: "debug: ",
};

/** Each message is one line, but for what helps with debugging: the lines of that are ours, and set in. */
function textLine(level: LogLevel, message: string): string {
  const lines = level === "debug" ? message.split("\n") : [message];
  return `empusa: ${prefixes[level]}${lines.map(escapeControls).join("\n  ")}\n`;
}

/** The message as it is: whoever reads JSON gets what was written, whoever looks at the line sees escapes. */
function jsonLine(level: LogLevel, message: string): string {
  return `${escapeControls(JSON.stringify({ time: new Date().toISOString(), level, message }))}\n`;
}
