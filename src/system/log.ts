import { firstWithin } from "./delay.ts";
import { escapeControls, shorten } from "./escape.ts";
import type { Output } from "./mod.ts";

/** From the least to the most verbose. */
export const logLevels = ["error", "warn", "info", "debug"] as const;

export type LogLevel = typeof logLevels[number];

export const logFormats = ["text", "json"] as const;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: typeof logFormats[number];
}

/** Milliseconds to wait for a reader of a line, and the most UTF-16 code units to keep for it. */
const writeTimeout = 1000;
const maxPending = 4_000_000;

/** The most UTF-16 code units of a message, because it may contain foreign text. */
const longestMessage = 8000;

/**
 * Writes lines for the operator to standard error; results never go through here. If no process reads the lines, or the disk
 * is full, the program keeps working.
 */
export class Log {
  readonly #output: Output;
  #options: LogOptions;
  /** Lines that are yet to be written, in order, and their length. */
  #pending: string[] = [];
  #length = 0;
  /** Resolves when all lines are written; undefined if they are. */
  #writing: Promise<void> | undefined;
  /** Resolves then, or when that takes too long: one timer for all lines. */
  #waiting: Promise<void> | undefined;

  constructor(output: Output, options: LogOptions = { level: "info", format: "text" }) {
    this.#output = output;
    this.#options = options;
  }

  /** Logs by other options from now on, as the command line says. */
  configure(options: LogOptions): void {
    this.#options = options;
  }

  /** Logs the error that ends the command, and a hint what to do. */
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
    if (logLevels.indexOf(level) > logLevels.indexOf(this.#options.level) || this.#length > maxPending) {
      return;
    }
    const message = shorten(text, longestMessage);
    const line = this.#options.format === "json" ? jsonLine(level, message) : textLine(level, message);
    this.#pending.push(line);
    this.#length += line.length;
    this.#writing ??= this.#writeAll();
    this.#waiting ??= firstWithin([this.#writing], writeTimeout).then(() => this.#waiting = undefined);
    await this.#waiting;
  }

  /** Writes what is pending, thousands of lines at once. */
  async #writeAll(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = this.#pending.splice(0).join("");
      await this.#output.write(lines).catch(() => {});
      this.#length -= lines.length;
    }
    this.#writing = undefined;
  }
}

const prefixes: Readonly<Record<LogLevel, string>> = {
  error: "",
  warn: "warning: ",
  info: "",
  debug: "debug: ",
};

/** Each message is one line. Debug messages may have several, which are empusa's own and indented. */
function textLine(level: LogLevel, message: string): string {
  const lines = level === "debug" ? message.split("\n") : [message];
  return `empusa: ${prefixes[level]}${lines.map(escapeControls).join("\n  ")}\n`;
}

/** A JSON parser gets the message unchanged; a person who reads the line sees escapes. */
function jsonLine(level: LogLevel, message: string): string {
  return `${escapeControls(JSON.stringify({ time: new Date().toISOString(), level, message }))}\n`;
}
