/** Why a program could not be started, as far as the file that it would have been tells. */
import { NotStarted } from "../errors.ts";

/** How much of a script is looked at for its interpreter, in bytes: the kernel reads 256. */
const head = 256;

/**
 * What an error of Deno's means: 127 where there is no such command, 126 where there is one that cannot be started, as
 * shells have it.
 */
export function explainNotStarted(program: string, error: unknown): NotStarted {
  const { code, message } = error as Error & { code?: string };
  const file = locate(program);
  if (file === undefined) return new NotStarted(127, "there is no such command", error);
  const interpreter = file.isFile ? interpreterOf(file.path) : undefined;
  const reason = (): string => {
    if (error instanceof Deno.errors.NotFound && interpreter !== undefined) {
      return `its interpreter ${JSON.stringify(interpreter)} does not exist`;
    }
    // A name that is looked up on PATH is passed over where it may not be run.
    if (error instanceof Deno.errors.PermissionDenied || !program.includes("/")) return "it may not be run";
    if (error instanceof Deno.errors.NotFound) return "its dynamic loader does not exist";
    if (/\(os error 8\)/.test(message)) {
      return 'it is no program of this machine, and does not begin with "#!"';
    }
    // "Failed to spawn 'x': Argument list too long (os error 7)"
    return /: ([^:]+?) \(os error \d+\)$/.exec(message)?.[1]?.toLowerCase() ?? code ?? message;
  };
  return new NotStarted(126, reason(), error);
}

/** The file that a command names, by a path or as the first of that name on PATH. */
function locate(program: string): { readonly path: string; readonly isFile: boolean } | undefined {
  const paths = program.includes("/") || program === ""
    ? [program]
    : (Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder || "."}/${program}`);
  for (const path of paths) {
    try {
      const { isFile } = Deno.statSync(path);
      if (isFile || program.includes("/")) return { path, isFile };
    } catch (error) {
      if (program.includes("/") && !(error instanceof Deno.errors.NotFound)) return { path, isFile: false };
    }
  }
}

/** What stands behind `#!`, without its argument. */
function interpreterOf(path: string): string | undefined {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(head);
    const length = file.readSync(bytes) ?? 0;
    const [, interpreter] = /^#! *([^ \t\n]+)/.exec(new TextDecoder().decode(bytes.subarray(0, length))) ??
      [];
    return interpreter;
  } catch {
    // It can be run, maybe, but not read.
    return undefined;
  }
}
