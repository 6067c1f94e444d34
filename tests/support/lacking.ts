/** Tests that need something of the machine: without it they are skipped, and scripts/test names at its end what is missing. */

/**
 * Registers a test. It is skipped where `missing` names what this machine does not have, such as "no Docker daemon";
 * `undefined` is nothing.
 */
export function testUnless(
  missing: string | undefined,
  name: string,
  test: (t: Deno.TestContext) => void | Promise<void>,
): void {
  // scripts/test reads this ending from the report of a run.
  const shown = missing === undefined ? name : `${name} (skipped: ${missing})`;
  Deno.test({ name: shown, ignore: missing !== undefined, fn: test });
}

/** Names those of the programs that are not on PATH, or is undefined where all are. */
export function missingPrograms(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => !runs("bash", "-c", 'command -v "$0"', program));
  return missing.length === 0 ? undefined : `no ${missing.join(", no ")}`;
}

/** Names what keeps this process from making namespaces of its own, such as `--net`, or is undefined. */
export function missingNamespaces(...kinds: readonly `--${string}`[]): string | undefined {
  return runs("unshare", ...kinds, "true") ? undefined : `no namespaces (unshare ${kinds.join(" ")})`;
}

/** Says so if this etcd has no v2 API, as those of version 3.6 and later. */
export function missingV2(): string | undefined {
  return runs("bash", "-c", "etcd --help 2>&1 | grep -q -- --enable-v2")
    ? undefined
    : "no etcd with a v2 API";
}

function runs(program: string, ...args: readonly string[]): boolean {
  try {
    return new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}
