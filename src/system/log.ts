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

/** Milliseconds to wait for a reader of a line, and the most lines to keep. */
const writeTimeout = 1000;
const maxWaiting = 100;

/** The most UTF-16 code units of a message, because it may contain foreign text. */
const longestMessage = 8000;

/**
 * Writes lines for the operator to standard error; results never go through here. If no process reads the lines, or the disk
 * is full, the program keeps working.
 */
export class Log {
  readonly #output: Output;
  #options: LogOptions;
  /** Resolves when all lines so far are written, in order. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

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
    await Promise.race([
      this.#last,
      new Promise<void>((resolve) => late = setTimeout(resolve, writeTimeout)),
    ]);
    clearTimeout(late);
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
