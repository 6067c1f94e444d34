/**
 * Many refreshers or watchers in one process, each with a connection of its own, for `many.ts`:
 * `crowd.ts refreshers|watchers ENDPOINTS FIRST COUNT`. It writes a line when all have begun; of watchers, it writes each
 * location that the last of them was told of.
 */
import { openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";
import { print } from "../print.ts";

const [kind, endpoints = "", ...numbers] = Deno.args;
const [first = 0, count = 0] = numbers.map(Number);
/** How many begin at the same time. */
const together = 20;

const { signal } = new AbortController();

function open(): Promise<Registry> {
  return openRegistry({ endpoints: parseEndpoints(endpoints, "http"), treeRoot: "/many", timeout: 60_000 });
}

/** Keeps an instance registered. Resolves when it is. */
async function refresh(number: number): Promise<void> {
  const registry = await open();
  const session = registry.services.session(30);
  const { promise, resolve } = Promise.withResolvers<void>();
  session.add({ type: "crowd", name: `n${number}`, location: "10.0.0.7:80" });
  void session.run({
    every: "auto",
    onConflict: "yield",
    signal,
    onEvent: ({ kind }) => {
      if (kind === "registered") resolve();
    },
  });
  await promise;
}

const told = new Map<string, number>();

async function tellOf(location: string): Promise<void> {
  const times = (told.get(location) ?? 0) + 1;
  told.set(location, times);
  if (times === count) await print(location);
}

/** Follows a type. Resolves when it has begun. */
async function watch(): Promise<void> {
  const registry = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  const ignore = (): void => {};
  void (async (): Promise<void> => {
    const options = { signal, onOutage: ignore, onInvalid: ignore };
    for await (const event of registry.services.watch({ types: ["watched"] }, options)) {
      if (event.kind === "snapshot") resolve();
      else if (event.kind === "put") await tellOf(event.item.location);
    }
  })();
  await promise;
}

for (let i = 0; i < count; i += together) {
  const some = Array.from({ length: Math.min(together, count - i) }, (_, k) => first + i + k);
  await Promise.all(some.map((number) => kind === "refreshers" ? refresh(number) : watch()));
}
await print("all have begun");
