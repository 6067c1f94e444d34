/**
 * Runs in a network namespace of its own. It keeps a service registered while the kernel drops the packets to etcd for
 * longer than the TTL, and prints the milliseconds from the end of each such black hole to the registration.
 */
import { openRegistry, parseEndpoints } from "../../src/registry/mod.ts";
import { Etcd } from "./etcd.ts";
import { pause, until } from "./pause.ts";
import { Proxy } from "./proxy.ts";

const ttl = 2;
const times = 4;
const key = "/foo/service/web/a";

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** The milliseconds until the service was registered again, for each black hole. */
async function measure(): Promise<number[]> {
  await run("ip", "link", "set", "lo", "up");
  await using etcd = await Etcd.start({ slowElections: true });
  using proxy = new Proxy(etcd.endpoint);
  const port = proxy.endpoint.split(":")[1] as string;

  const isThere = async (): Promise<boolean> => {
    const body = JSON.stringify({ key: btoa(key) });
    const answer = await fetch(`${etcd.url}/v3/kv/range`, { method: "POST", body });
    return (await answer.json()).kvs !== undefined;
  };

  const filter = async (action: "-A" | "-D"): Promise<void> => {
    for (const end of ["--dport", "--sport"]) {
      await run("iptables", "-w", action, "INPUT", "-p", "tcp", end, port, "-j", "DROP");
    }
  };

  using registry = await openRegistry({
    endpoints: parseEndpoints(proxy.endpoint, "http"),
    treeRoot: "/foo",
    timeout: 5000,
  });
  const session = await registry.services.register({ type: "web", name: "a", location: "h:1" }, ttl);
  const stop = new AbortController();
  const over = session.run({ every: "auto", onConflict: "yield", signal: stop.signal, onEvent: () => {} });
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    await pause(500);
    await filter("-A");
    await pause(2500 * ttl + 300 * i);
    await filter("-D");
    const began = performance.now();
    await until("it is registered again", isThere, 20);
    took.push(Math.round(performance.now() - began));
  }
  stop.abort();
  await over;
  return took;
}

const took = await measure();
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(took)}\n`));
// Not before `measure` has stopped etcd: an exit disposes of nothing.
Deno.exit(0);
