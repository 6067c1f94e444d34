/** A server of names with some instances, for programs that ask for them. */
import { Etcd } from "../support/etcd.ts";
import { launch } from "../support/program.ts";
import { serving, type ServingHere } from "../support/serving.ts";

export interface NameServer extends AsyncDisposable {
  readonly etcd: Etcd;
  readonly server: ServingHere;
  readonly port: number;
  /** A folder of its own for files of the test. */
  readonly folder: string;
}

/**
 * Starts one for the domain `empusa`.
 * @param locations of instances of the type web, which are called w0, w1 and so on
 * @param at where, if not on a free port of 127.0.0.1
 */
export async function nameServer(
  locations: readonly string[],
  at: { readonly host: string; readonly port: number } = { host: "127.0.0.1", port: 0 },
): Promise<NameServer> {
  await using parts = new AsyncDisposableStack();
  const etcd = parts.use(await Etcd.start());
  await etcd.putMany(locations.map((location, i) => [`/foo/service/web/w${i}`, location] as const));
  const dns = { addresses: [{ kind: "tcp", ...at } as const], domain: "empusa", ttl: 1 };
  const server = parts.use(await serving(etcd, { dns }));
  const folder = await Deno.makeTempDir({ prefix: "empusa-test-names-" });
  parts.defer(() => Deno.remove(folder, { recursive: true }));
  const all = parts.move();
  return { etcd, server, port: server.dnsPort, folder, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** What a program prints, as lines in order; with what it says if it fails. */
export async function lines(program: string, ...args: readonly string[]): Promise<string[]> {
  await using running = launch([program, ...args], {});
  const { code, stdout, stderr } = await running.outcome;
  const all = code === 0 ? stdout : `${stdout}${stderr}`;
  return all.trim().split("\n").map((line) => line.trim()).filter((line) => line !== "").sort();
}
