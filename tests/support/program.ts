/** The real program in a process of its own. */
import { projectFile } from "./project.ts";

/**
 * The program under test: what EMPUSA_UNDER_TEST names, in scripts/test a bundle of these sources or an artefact; else the
 * sources themselves.
 */
export const program = Deno.env.get("EMPUSA_UNDER_TEST") ?? projectFile("scripts/empusa");

/** What a run of the program left. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Milliseconds from start to end. */
  readonly took: number;
}

export type Env = Readonly<Record<string, string>>;

/** The environment that leads to the tree root /foo of an etcd. */
export function connect({ endpoint }: { readonly endpoint: string }): Env {
  return { EMPUSA_ETCD_ENDPOINT: endpoint, EMPUSA_TREE_ROOT: "/foo" };
}

/** A registration of web/a at h:1, to be told where, and for how long. */
export const registerWeb: readonly string[] =
  "service register --service-type web --service-name a --service-location h:1".split(" ");

/** Runs `empusa ARGS` to its end, with none of the variables that it reads but what `env` says. */
export async function empusa(args: readonly string[], env: Env = {}): Promise<Outcome> {
  await using running = start(args, env);
  return await running.outcome;
}

/** Runs a script of bash to its end; in it, `"$0"` is the program. */
export async function shell(script: string, env: Env): Promise<Outcome> {
  await using running = launch(["bash", "-c", script, program], env);
  return await running.outcome;
}

/** A program that is still running. It is killed where the test leaves it behind. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly outcome: Promise<Outcome>;
  signal(signal: Deno.Signal): void;
  /** Resolves when standard error holds the text. */
  said(text: string): Promise<void>;
  /** Resolves to the first group of the first match in standard error, once there is one. */
  found(pattern: RegExp): Promise<string>;
  /** Resolves when standard output holds the text. */
  printed(text: string): Promise<void>;
}

/** Starts `empusa ARGS`. */
export function start(args: readonly string[], env: Env = {}): Running {
  return launch([program, ...args], env);
}

/** Sends a signal to what is process 1 inside a PID namespace that was launched by unshare(1), its parent. */
export async function signalFirst({ pid }: Running, signal: Deno.Signal): Promise<void> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  Deno.kill(Number(children), signal);
}

/** Starts a command that leads to the program. */
export function launch([command, ...args]: readonly [string, ...string[]], env: Env): Running {
  const began = performance.now();
  const child = new Deno.Command(command, {
    args,
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const outcome = (async (): Promise<Outcome> => {
    const { code } = await child.status;
    const took = performance.now() - began;
    return { code, stdout: await stdout.end, stderr: await stderr.end, took };
  })();
  let ended = false;
  child.status.then(() => ended = true);
  return {
    pid: child.pid,
    outcome,
    signal: (signal) => child.kill(signal),
    said: async (text) => void await stderr.until(text, (all) => all.includes(text) ? text : undefined),
    found: (pattern) => stderr.until(`${pattern}`, (all) => pattern.exec(all)?.[1]),
    printed: async (text) => void await stdout.until(text, (all) => all.includes(text) ? text : undefined),
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        if (!ended) child.kill("SIGKILL");
      } catch {
        // It has ended just now.
      }
      await outcome;
    },
  };
}

/** The variables of this process that a program may have: where its packages are, and none of empusa's own. */
export function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) =>
      !/^(EMPUSA_|SSL_CERT_FILE$|REQUESTS_CA_BUNDLE$)/.test(name) || name === "EMPUSA_PACKAGES"
    ),
  );
}

function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): {
  end: Promise<string>;
  until: (what: string, find: (all: string) => string | undefined) => Promise<string>;
} {
  let all = "";
  let over = false;
  let news = Promise.withResolvers<void>();
  const end = (async (): Promise<string> => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      all += part;
      news.resolve();
      news = Promise.withResolvers();
    }
    over = true;
    news.resolve();
    return all;
  })();
  const until = async (what: string, find: (all: string) => string | undefined): Promise<string> => {
    const late = setTimeout(
      () => news.reject(new Error(`not said within 20 s: "${what}", but: ${all}`)),
      20_000,
    );
    try {
      for (;;) {
        const found = find(all);
        if (found !== undefined) return found;
        if (over) throw new Error(`never said: "${what}", but: ${all}`);
        await news.promise;
      }
    } finally {
      clearTimeout(late);
    }
  };
  return { end, until };
}
