/** Explains why a program could not be started, from its file. */
import { NotStarted } from "../errors.ts";

/** The most bytes of a script to search for its interpreter. The kernel reads 256. */
const head = 256;

/**
 * Explains an error of Deno. As in shells, the code is 127 if the command does not exist, and 126 if it cannot be
 * started.
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
    // A look-up on PATH skips files that are not executable.
    if (error instanceof Deno.errors.PermissionDenied || !program.includes("/")) return "it may not be run";
    if (error instanceof Deno.errors.NotFound) return "its dynamic loader does not exist";
    if (/\(os error 8\)/.test(message)) {
      return 'it is not an executable for this machine, and has no "#!" line';
    }
    // "Failed to spawn 'x': Argument list too long (os error 7)"
    return /: ([^:]+?) \(os error \d+\)$/.exec(message)?.[1]?.toLowerCase() ?? code ?? message;
  };
  return new NotStarted(126, reason(), error);
}

/** Finds the file of a command, by its path or as the first of that name on PATH. */
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

/** Reads the interpreter after `#!`, without its argument. */
function interpreterOf(path: string): string | undefined {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(head);
    const length = file.readSync(bytes) ?? 0;
    const [, interpreter] = /^#! *([^ \t\n]+)/.exec(new TextDecoder().decode(bytes.subarray(0, length))) ??
      [];
    return interpreter;
  } catch {
    // It may be executable, but it is not readable.
    return undefined;
  }
}
