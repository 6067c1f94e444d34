/** Three members of etcd, the clients, and all that observes them. */
import { pause, until } from "../../tests/support/pause.ts";
import { Random } from "../../tests/support/random.ts";
import { allRoles, Client, prefix } from "./client.ts";
import { ask } from "./gateway.ts";
import { Member } from "./member.ts";
import { Host, Network } from "./network.ts";
import { Observer } from "./observer.ts";
import { Truth } from "./truth.ts";

export interface Bed {
  readonly network: Network;
  readonly members: readonly Member[];
  readonly clients: readonly Client[];
  /** The members, where no fault keeps this process from them. */
  readonly urls: readonly string[];
  /** The keys of the clients that register. */
  readonly keys: readonly string[];
  readonly observer: Observer;
  readonly truth: Truth;
  /** Ends the changes that somebody makes beside the clients. */
  silence(): Promise<void>;
}

/** How often somebody else changes something, in milliseconds. */
const every = 150;

/**
 * Starts everything, and resolves when all clients are registered.
 * @param programs the executables under test, by a name for each
 * @param folder for the data of etcd
 */
export async function makeBed(
  programs: ReadonlyMap<string, string>,
  folder: string,
  seed: number,
): Promise<Bed> {
  const network = await Network.create();
  const nodes = ["n1", "n2", "n3"].map((name, i) => new Host(name, i + 1));
  for (const node of nodes) await node.connect({ observed: true });
  const members = nodes.map((node) => new Member(node, nodes, folder));
  for (const member of members) member.start();
  await Promise.all(members.map((member) => member.answers()));

  const urls = members.map(({ url }) => url);
  const observer = new Observer(urls, prefix);
  const truth = await Truth.of(urls, prefix);
  const silence = changeThings(urls, new Random(seed));
  const endpoints = members.map(({ endpoint }) => endpoint);
  const clients: Client[] = [];
  for (const [variant, program] of programs) {
    for (const role of allRoles) {
      const host = new Host(`c${clients.length + 1}`, nodes.length + clients.length + 1);
      await host.connect({ observed: false });
      clients.push(new Client(role, variant, program, host, endpoints));
    }
  }
  const keys = clients.flatMap(({ key }) => key ?? []);
  if (!await observer.findsAll(keys, 0, 30)) throw new Error("the clients did not register within 30 s");
  const watches = clients.filter(({ key }) => key === undefined);
  await until("all watches have begun", () => watches.every(({ watch }) => watch.revision > 0), 30);
  return { network, members, clients, urls, keys, observer, truth, silence };
}

/** Puts and deletes other services, so that a watch always has something to tell. Returns what ends it. */
function changeThings(urls: readonly string[], random: Random): () => Promise<void> {
  let goesOn = true;
  const changing = (async (): Promise<void> => {
    while (goesOn) {
      const key = btoa(`${prefix}other/${Math.floor(random.next() * 5)}`);
      const change = random.next() < 0.7
        ? { method: "kv/put", body: { key, value: btoa(`h:${Math.floor(random.next() * 9) + 1}`) } }
        : { method: "kv/deleterange", body: { key } };
      // Without an answer nobody knows whether it was done: the truth will tell.
      await ask(random.oneOf(urls), change.method, change.body, 500).catch(() => {});
      await pause(every);
    }
  })();
  return () => {
    goesOn = false;
    return changing;
  };
}
