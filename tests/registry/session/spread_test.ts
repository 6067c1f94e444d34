/** Sessions that lost their leases at the same moment. By itself in scripts/test: a process that is stopped spreads nothing. */
import { assert } from "@std/assert";
import type { Registry } from "../../../src/registry/mod.ts";
import { Etcd } from "../../support/etcd.ts";
import { keep, type Kept, test, web } from "../../support/kept_session.ts";
import { pause, until } from "../../support/pause.ts";
import { open } from "../../support/registry.ts";

test("sessions that lose their leases together spread their new registrations", async () => {
  await using etcd = await Etcd.start();
  const kept: Kept[] = [];
  const registries: Registry[] = [];
  for (let i = 0; i < 30; i++) {
    const registry = await open(etcd);
    registries.push(registry);
    kept.push(keep(await registry.services.register({ ...web, name: `n${i}` }, 3)));
  }
  // This process may be stopped while they come back, which then looks like all of them at once.
  let spread = { span: 0, most: 30 };
  for (let round = 0; round < 4 && !(spread.span > 150 && spread.most < 15); round++) {
    spread = await spreadOf(etcd, kept);
  }
  assert(
    spread.span > 150 && spread.most < 15,
    `all within ${Math.round(spread.span)} ms, ${spread.most} of them within 25 ms`,
  );
  for (const one of kept) await one[Symbol.asyncDispose]();
  for (const registry of registries) registry[Symbol.dispose]();
});

/** Lets sessions lose their leases: in how many milliseconds they come back, and how many of them within the same 25 ms. */
async function spreadOf(etcd: Etcd, kept: readonly Kept[]): Promise<{ span: number; most: number }> {
  await pause(300);
  await etcd.signal("SIGKILL");
  await etcd.wipe();
  await pause(2000);
  const back: number[] = [];
  for (const { events } of kept) {
    events.push = (...more): number => {
      back.push(...more.filter(({ kind }) => kind === "restored").map(() => performance.now()));
      return 0;
    };
  }
  await etcd.restart();
  await until("all are back", () => back.length === kept.length);
  back.sort((a, b) => a - b);
  const within = (from: number): number => back.filter((at) => at >= from && at < from + 25).length;
  return { span: (back.at(-1) ?? 0) - (back[0] ?? 0), most: Math.max(...back.map(within)) };
}
