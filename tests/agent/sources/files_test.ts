/** Definitions in files and folders: when they are read, and what a broken one does. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { filesSource } from "../../../src/agent/sources/files.ts";
import type { Source } from "../../../src/agent/source.ts";
import { UsageError } from "../../../src/errors.ts";
import { pause } from "../../support/pause.ts";
import { fakeSystem } from "../../support/system.ts";

/** A folder of definitions, and what its source tells. */
class Followed implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly updates: string[] = [];
  readonly lines: string[] = [];
  source: Source = filesSource([this.folder], fakeSystem());
  readonly #stop = new AbortController();
  over: Promise<void> = Promise.resolve();

  /** Has a file define services with these names. */
  async define(file: string, ...names: string[]): Promise<void> {
    const services = names.map((name) => ({ type: "web", name, location: "h:1" }));
    await Deno.writeTextFile(`${this.folder}/${file}`, JSON.stringify({ services }));
  }

  follow(...paths: string[]): void {
    if (paths.length > 0) this.source = filesSource(paths, fakeSystem());
    this.over = this.source.run({
      update: (services) =>
        void this.updates.push(
          services.map(({ definition, origin }) => `${definition.name} ${origin}`).join(),
        ),
      report: (level, message) => void this.lines.push(`${level} ${message}`),
    }, this.#stop.signal);
    this.over.catch(() => {});
  }

  async until(holds: () => boolean): Promise<void> {
    for (const deadline = performance.now() + 15_000; performance.now() < deadline; await pause(20)) {
      if (holds()) return;
    }
    throw new Error(`never so: ${JSON.stringify(this.updates)}, ${JSON.stringify(this.lines)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.over.catch(() => {});
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("files of a folder are read in order, and again when one changes, comes or goes", async () => {
  await using followed = new Followed();
  const { folder } = followed;
  await followed.define("b.json", "b");
  await followed.define("a.yaml", "a");
  await followed.define("c.txt", "c");
  followed.follow();
  await followed.until(() => followed.updates.length === 1);
  const a = `a ${folder}/a.yaml: services[0]`;
  assertEquals(followed.updates[0], `${a},b ${folder}/b.json: services[0]`);
  await followed.define("b.json", "x", "y");
  await followed.until(() => followed.updates.length === 2);
  assertEquals(followed.updates[1], `${a},x ${folder}/b.json: services[0],y ${folder}/b.json: services[1]`);
  await Deno.remove(`${folder}/b.json`);
  await followed.until(() => followed.updates.length === 3);
  assertEquals(followed.updates[2], a);
  assertStringIncludes(followed.lines.join(), `info read ${folder} again: 1 service`);
});

Deno.test("a broken file keeps the last good definitions, and is told once", async () => {
  await using followed = new Followed();
  const { folder } = followed;
  await followed.define("a.yaml", "a");
  followed.follow();
  await followed.until(() => followed.updates.length === 1);
  await Deno.writeTextFile(`${folder}/b.yaml`, "services:\n  - type: web\n    ttl: soon\n");
  await followed.until(() => followed.lines.some((line) => line.includes("last good")));
  assertStringIncludes(followed.lines.join("\n"), `warn ${folder}/b.yaml:3:10: services[0].ttl must`);
  const { length } = followed.lines;
  await followed.source.reload();
  assertEquals([followed.lines.length, followed.updates.length], [length, 1]);
  await followed.define("b.yaml", "b");
  await followed.until(() => followed.updates.length === 2);
  // The whole folder is gone: a mount that comes back later, maybe.
  await Deno.remove(folder, { recursive: true });
  await followed.until(() => followed.lines.at(-1)?.includes("cannot read") ?? false);
  assertEquals(followed.updates.length, 2);
  await Deno.mkdir(folder);
  await followed.define("a.yaml", "z");
  await followed.until(() => followed.updates.length === 3);
});

Deno.test("what is broken at the start fails it", async () => {
  await using followed = new Followed();
  await Deno.writeTextFile(`${followed.folder}/a.yaml`, "services: 3\n");
  followed.follow();
  await assertRejects(() => followed.over, UsageError, "1 mistake in the definitions");
  followed.follow(`${followed.folder}/none`);
  await assertRejects(() => followed.over, UsageError, "cannot read");
});

Deno.test("a file that never comes to rest is read all the same", async () => {
  await using followed = new Followed();
  await followed.define("a.yaml", "0");
  followed.follow();
  await followed.until(() => followed.updates.length === 1);
  let n = 0;
  const writing = setInterval(() => void followed.define("a.yaml", `${++n}`), 300);
  try {
    await followed.until(() => followed.updates.length === 2);
  } finally {
    clearInterval(writing);
  }
  const last = (): string => `${n} ${followed.folder}/a.yaml: services[0]`;
  await followed.until(() => followed.updates.at(-1) === last());
});

Deno.test("a reload reads at once, and two changes between two looks are one", async () => {
  await using followed = new Followed();
  await followed.define("a.yaml", "a");
  followed.follow();
  await followed.until(() => followed.updates.length === 1);
  await followed.define("a.yaml", "b");
  await followed.define("a.yaml", "c");
  const began = performance.now();
  await followed.source.reload();
  assert(performance.now() - began < 900);
  assertEquals(followed.updates.at(-1), `c ${followed.folder}/a.yaml: services[0]`);
  await pause(2500);
  assertEquals(followed.updates.length, 2);
});
