/** A program that answers each line of its standard input with one line of standard output. */
export class Asked implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #stderr: Promise<string>;
  /** What it has printed and nobody has read yet. */
  #rest = "";

  constructor(program: string, ...args: string[]) {
    this.#process = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#stderr = new Response(this.#process.stderr).text();
  }

  /** Its next answer. One that says nothing for 20 s is ended. */
  async ask(): Promise<string> {
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 20_000);
    try {
      await this.#input.write(new TextEncoder().encode("\n"));
      return await this.#line();
    } finally {
      clearTimeout(late);
    }
  }

  /** So many answers, one after the other. */
  async askTimes(times: number): Promise<string[]> {
    const answers: string[] = [];
    while (answers.length < times) answers.push(await this.ask());
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#output.cancel();
    await this.#input.abort().catch(() => {});
    await this.#stderr;
    await this.#process.status;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`it ended: ${await this.#stderr}`);
      this.#rest += value;
    }
  }
}
