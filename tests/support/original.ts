/** The empusa in Python that this one replaces, where set-up could bring it. */
import { projectFile } from "./project.ts";

/** The interpreter that it is installed for. */
export const python = projectFile(".deps/original/bin/python");

/** Names what is missing to run it, or is undefined. */
export function missingOriginal(): string | undefined {
  try {
    Deno.statSync(python);
    return undefined;
  } catch {
    return "no empusa of Python";
  }
}

/** How one of its runs ended. */
export interface OriginalOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One process that carries out any number of command lines, one after the other. */
export class Original implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;
  #read = "";

  constructor() {
    const args = [projectFile("tests/support/original.py")];
    this.#process = new Deno.Command(python, { args, stdin: "piped", stdout: "piped" }).spawn();
    this.#requests = this.#process.stdin.getWriter();
    this.#answers = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Runs `empusa ARGS`, with none of the variables that it reads but what `env` says. */
  async run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<OriginalOutcome> {
    await this.#requests.write(new TextEncoder().encode(`${JSON.stringify({ args, env })}\n`));
    while (!this.#read.includes("\n")) {
      const { value, done } = await this.#answers.read();
      if (done) throw new Error("the Python original has ended");
      this.#read += value;
    }
    const [line = "", ...rest] = this.#read.split("\n");
    this.#read = rest.join("\n");
    return JSON.parse(line);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests.close();
    await this.#process.status;
    await this.#answers.cancel();
  }
}

/** Arguments of the interpreter that run it; its own follow. */
export const runOriginal: readonly string[] = [
  "-c",
  "import sys, empusa; sys.argv = ['empusa', *sys.argv[1:]]; empusa.main()",
];

/** Starts it in a process of its own, for what is to be ended by a signal. */
export function startOriginal(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  return new Deno.Command(python, {
    args: [...runOriginal, ...args],
    env: { ...env },
    stdout: "null",
    stderr: "null",
  })
    .spawn();
}
