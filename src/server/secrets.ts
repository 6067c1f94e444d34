/** Certificates and tokens from files, which are read again when they change. */
import { EmpusaError, InvalidValueError } from "../errors.ts";
import { onChangedFiles } from "./changed_files.ts";

export interface Reloading<T> {
  readonly paths: readonly string[];
  /** @throws {InvalidValueError} if what the files hold breaks a rule */
  readonly parse: (contents: readonly Uint8Array[]) => T;
  /** Takes what changed files hold. @throws {Error} if that cannot be used */
  readonly use: (value: T) => void | Promise<void>;
  readonly log: { readonly info: (message: string) => unknown; readonly warn: (message: string) => unknown };
}

/**
 * Reads the files; and again, whenever they have changed, until it is disposed of. If they cannot be used then, such as
 * while one of two is replaced, what was read before stays in use.
 * @throws {EmpusaError} if they cannot be used now
 */
export async function reloading<T>(
  { paths, parse, use, log }: Reloading<T>,
): Promise<Disposable & { readonly value: T }> {
  const names = paths.map((path) => JSON.stringify(path)).join(" and ");
  const value = await readAll(paths, parse);
  const watch = onChangedFiles(paths, async () => {
    try {
      await use(await readAll(paths, parse));
      log.info(`read ${names} again, which changed`);
    } catch (error) {
      log.warn(`${messageOf(error)}; empusa goes on with what it read before`);
    }
  });
  return { value, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}

async function readAll<T>(
  paths: readonly string[],
  parse: (contents: readonly Uint8Array[]) => T,
): Promise<T> {
  const contents = await Promise.all(paths.map(async (path) => {
    try {
      return await Deno.readFile(path);
    } catch (error) {
      throw new EmpusaError(`cannot read ${JSON.stringify(path)}: ${messageOf(error)}`, { cause: error });
    }
  }));
  try {
    return parse(contents);
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new EmpusaError(`cannot use ${JSON.stringify(paths[0])}: it must ${error.message}`, {
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/ \(os error.*/s, "") : `${error}`;
}
