/** A member that hangs on its disk: it answers, refreshes leases by way of its leader, and knows of nothing new. */
import { assert } from "@std/assert";
import { openRegistry, parseEndpoints, type SessionEvent } from "../../src/registry/mod.ts";
import { Cluster } from "../support/etcd.ts";
import { missingNamespaces, missingPrograms, testUnless } from "../support/lacking.ts";
import { pause, until } from "../support/pause.ts";

const key = "/foo/service/web/a";

async function run(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** A file system of its own, which can be made to hang. */
class Disk implements AsyncDisposable {
  readonly #image: string;
  readonly folder: string;

  private constructor(image: string, folder: string) {
    this.#image = image;
    this.folder = folder;
  }

  /** Undefined where none can be had. */
  static async make(): Promise<Disk | undefined> {
    const image = await Deno.makeTempFile({ prefix: "empusa-test-disk-" });
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-mount-" });
    await Deno.truncate(image, 256 * 2 ** 20);
    const made = await run("mkfs.ext4", "-q", "-F", image) && await run("mount", "-o", "loop", image, folder);
    return made ? new Disk(image, folder) : undefined;
  }

  async freeze(): Promise<void> {
    assert(await run("fsfreeze", "--freeze", this.folder));
  }

  async thaw(): Promise<void> {
    await run("fsfreeze", "--unfreeze", this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw();
    await run("umount", "--lazy", this.folder);
    await Deno.remove(this.#image);
    await Deno.remove(this.folder);
  }
}

/** Whether one can be had, found out by making one. */
async function missingDisk(): Promise<string | undefined> {
  await using disk = await Disk.make();
  return disk === undefined ? "no loop devices" : undefined;
}

const missing = missingPrograms("mkfs.ext4", "mount", "fsfreeze") ?? missingNamespaces("--mount") ??
  await missingDisk();

testUnless(
  missing,
  "a key that is deleted while the member that is followed hangs on its disk is back after the next refresh",
  async () => {
    await using mounted = await Disk.make() as Disk;
    const firstFolder = `${mounted.folder}/etcd`;
    await Deno.mkdir(firstFolder);
    await using cluster = await Cluster.start(3, { slowElections: true, firstFolder });
    const [hanging, other] = cluster.members;
    assert(hanging !== undefined && other !== undefined);
    if (await hanging.leads()) {
      // Not parsed as JSON, which would round the ID.
      const [, id = ""] = /"member_id":(\d+)/.exec(await other.etcdctl("endpoint", "status", "-w", "json")) ??
        [];
      await hanging.etcdctl("move-leader", BigInt(id).toString(16));
      await until("another one leads", async () => !(await hanging.leads()));
    }
    using registry = await openRegistry({
      endpoints: parseEndpoints(cluster.endpoints, "http"),
      treeRoot: "/foo",
      timeout: 5000,
    });
    const session = await registry.services.register({ type: "web", name: "a", location: "h:1" }, 5);
    const stop = new AbortController();
    const events: SessionEvent[] = [];
    const onEvent = (event: SessionEvent): void => void events.push(event);
    const over = session.run({ every: "auto", onConflict: "yield", signal: stop.signal, onEvent });
    await pause(1000);
    await mounted.freeze();
    const began = performance.now();
    await other.etcdctl("del", key);
    await until("it is back", async () => await other.etcdctl("get", key) !== "", 20);
    const took = performance.now() - began;
    await mounted.thaw();
    stop.abort();
    await over;
    assert(took < 3500, `${took} ms`);
    assert(events.some(({ kind }) => kind === "restored"));
  },
);
