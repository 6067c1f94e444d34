/** Instances of the type web, and three of them that are gRPC servers. */
import { assert } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { until } from "../support/pause.ts";
import { connect, empusa, launch, type Running, start } from "../support/program.ts";
import { Asked } from "./asked.ts";

/** The arguments that register an instance. */
export function registering(name: string, location: string, ...options: readonly string[]): string[] {
  const named = ["--service-type", "web", "--service-name", name];
  return ["service", "register", ...named, "--service-location", location, ...options];
}

/** Registers an instance for good. */
export async function register(etcd: Etcd, ...args: Parameters<typeof registering>): Promise<void> {
  const { code, stderr } = await empusa(registering(...args), connect(etcd));
  assert(code === 0, stderr);
}

/** Takes an instance out of use, or back into it; what nobody keeps needs its mirrors named then. */
export async function use(
  etcd: Etcd,
  verb: "pause" | "resume",
  name: string,
  ...options: readonly string[]
): Promise<void> {
  const named = ["--service-type", "web", "--service-name", name];
  const { code, stderr } = await empusa(["service", verb, ...named, ...options], connect(etcd));
  assert(code === 0, stderr);
}

/** The instances web-0, web-1 and web-2 with the mirror /grpc, each with a server and with a refresher of its own. */
export class Fleet implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly etcd: Etcd;
  readonly addresses: readonly string[] = freePorts(3).map((port) => `127.0.0.1:${port}`);
  /** In the order of the addresses. */
  readonly refreshers: Running[] = [];

  private constructor(etcd: Etcd) {
    this.etcd = this.#parts.use(etcd);
  }

  /** @param program the one of ./grpc */
  static async start(program: string): Promise<Fleet> {
    const fleet = new Fleet(await Etcd.start());
    try {
      const servers = fleet.#parts.use(launch([program, "serve", ...fleet.addresses], {}));
      const options = ["--ttl", "3", "--refresh-every", "1", "--mirror", "grpc=/grpc"];
      // One after the other: a busy machine takes seconds for each.
      for (const [i, address] of fleet.addresses.entries()) {
        const args = registering(`web-${i}`, address, ...options);
        const refresher = fleet.#parts.use(start(args, connect(fleet.etcd)));
        await refresher.said(`registered web/web-${i}`);
        fleet.refreshers.push(refresher);
      }
      await servers.printed("serving");
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/** Resolves when the calls of a client are spread evenly over these addresses, and no other gets any. */
export async function spreads(client: Asked, addresses: readonly string[], seconds?: number): Promise<void> {
  const turns = [...addresses, ...addresses, ...addresses].sort();
  let last: string[] = [];
  try {
    await until(`calls go to ${addresses.join(" and ")}`, async () => {
      last = (await client.askTimes(turns.length)).sort();
      return last.join() === turns.join();
    }, seconds);
  } catch (error) {
    throw new Error(`at last these answered: ${last.join(", ")}`, { cause: error });
  }
}
