/** A terminal of the test's own, at which something is typed. */

/** How long what is to be shown may take, in milliseconds: each TAB starts a process, on a machine that may be busy. */
const patience = 20_000;

export class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<void>;
  #news = Promise.withResolvers<void>();
  #over = false;
  /** Resolves to the exit code of what was started. */
  readonly ended: Promise<number>;
  /** All that was shown so far, escape sequences included. */
  shown = "";

  /** Starts a line of shell with the terminal as its standard streams, and nothing in its environment but `env`. */
  constructor(line: string, { env, cwd }: { env: Readonly<Record<string, string>>; cwd: string }) {
    // script(1) runs a command on a terminal of its own.
    this.#child = new Deno.Command("script", {
      args: ["-qec", `exec ${line}`, "/dev/null"],
      clearEnv: true,
      env: { ...env, SHELL: "/bin/sh" },
      cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = this.#read();
    this.ended = this.#child.status.then(({ code }) => code);
  }

  async type(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Resolves when the text was shown, or one that matches, since `from`. */
  async until(what: string | RegExp, from = 0): Promise<void> {
    const late = setTimeout(() => {
      this.#over = true;
      this.#news.resolve();
    }, patience);
    try {
      while (this.shown.slice(from).search(typeof what === "string" ? RegExp.escape(what) : what) < 0) {
        if (this.#over) {
          throw new Error(`never shown: ${what}, but ${JSON.stringify(this.shown.slice(from))}`);
        }
        await this.#news.promise;
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** Resolves when nothing was shown for a moment. */
  async quiet(milliseconds: number): Promise<void> {
    for (let before = -1; before !== this.shown.length;) {
      before = this.shown.length;
      await new Promise((go) => setTimeout(go, milliseconds));
    }
  }

  async #read(): Promise<void> {
    for await (const part of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.shown += part;
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    }
    this.#over = true;
    this.#news.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await this.#reading;
    await this.#writer.abort().catch(() => {});
  }
}
