/** Errors that concern one member of a cluster: empusa asks the next member. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { openRegistry, parseEndpoints, type Registry } from "../../src/registry/mod.ts";
import { answer, header, HostileEtcd, keyValue, refusal, type Scripts } from "../support/hostile_etcd.ts";
import { Etcd, freePorts } from "../support/etcd.ts";
import { until } from "../support/pause.ts";
import { connect, empusa } from "../support/program.ts";

const web = { type: "web", name: "a", location: "h:1" };

/** etcd3 and grpc-js end their timers and sockets after the test. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

function open(endpoints: string, timeout = 4000): Promise<Registry> {
  return openRegistry({ endpoints: parseEndpoints(endpoints, "http"), treeRoot: "/foo", timeout });
}

/** Answers every call with this status. */
function all(status: number, words: string): Scripts {
  const methods = ["Range", "Txn", "DeleteRange", "LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "Watch"];
  return Object.fromEntries(methods.map((method) => [method, refusal(status, words)]));
}

const said: readonly (readonly [status: number, words: string])[] = [
  [14, "etcdserver: rpc not supported for learner"],
  [9, "etcdserver: rpc not supported for learner"],
  [14, "etcdserver: no leader"],
  [9, "etcdserver: not leader"],
  [15, "etcdserver: corrupt cluster"],
  [14, "etcdserver: server stopped"],
  [14, "etcdserver: unhealthy cluster"],
  [8, "etcdserver: too many requests"],
  [13, "etcdserver: disk is unsynced"],
  [2, "etcdserver: not capable"],
  [8, "Bandwidth exhausted or memory limit exceeded"],
];

test("one-shot commands, sessions and watches skip a member that cannot serve", async () => {
  await Promise.all(said.map(async ([status, words]) => {
    await using sick = await HostileEtcd.start(all(status, words));
    await using well = await HostileEtcd.start({
      Range: answer([1, header()], [2, keyValue("/foo/service/web/a")]),
    });
    using registry = await open(`${sick.endpoint},${well.endpoint}`);
    assertEquals([words, (await registry.services.list()).items.length], [words, 1]);
    using another = await open(`${sick.endpoint},${well.endpoint}`);
    const session = await another.services.register(web, 30);
    const over = new AbortController();
    const told: string[] = [];
    const keeping = session.run({
      every: 50,
      onConflict: "yield",
      signal: over.signal,
      // Whoever takes everything holds nothing, so that this is always restored.
      onEvent: ({ kind }) => kind !== "restored" && told.push(kind),
    });
    using third = await open(`${sick.endpoint},${well.endpoint}`);
    const options = { signal: over.signal, onOutage: () => told.push("outage"), onInvalid: () => {} };
    for await (const event of third.services.watch({ types: [] }, options)) {
      assertEquals(event.kind, "snapshot");
      break;
    }
    over.abort();
    await keeping;
    assertEquals([words, told], [words, []]);
  }));
});

/** A learner of that etcd's cluster. */
class Learner implements AsyncDisposable {
  readonly endpoint: string;
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;

  private constructor(endpoint: string, process: Deno.ChildProcess, folder: string) {
    this.endpoint = endpoint;
    this.#process = process;
    this.#folder = folder;
  }

  static async join(etcd: Etcd): Promise<Learner> {
    const [client, peer] = freePorts(2).map((port) => `127.0.0.1:${port}`) as [string, string];
    const added = await etcd.etcdctl("member", "add", "learner", "--learner", `--peer-urls=http://${peer}`);
    const [, cluster = ""] = /ETCD_INITIAL_CLUSTER="(.*)"/.exec(added) ?? [];
    const folder = await Deno.makeTempDir({ prefix: "empusa-test-learner-" });
    const process = new Deno.Command("etcd", {
      args: [
        "--name=learner",
        `--data-dir=${folder}`,
        `--listen-client-urls=http://${client}`,
        `--advertise-client-urls=http://${client}`,
        `--listen-peer-urls=http://${peer}`,
        `--initial-advertise-peer-urls=http://${peer}`,
        `--initial-cluster=${cluster}`,
        "--initial-cluster-state=existing",
        "--heartbeat-interval=20",
        "--election-timeout=200",
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const learner = new Learner(client, process, folder);
    await until(
      "the learner listens",
      () => fetch(`http://${client}/version`).then((answer) => answer.text()).then(() => true, () => false),
    );
    return learner;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

test("commands skip a learner among the endpoints, and status names it", async () => {
  await using etcd = await Etcd.start();
  await using learner = await Learner.join(etcd);
  const both = connect({ endpoint: `${learner.endpoint},${etcd.endpoint}` });
  const register = await empusa(
    "service register --service-type web --service-name a --service-location h:1".split(" "),
    both,
  );
  assertEquals([register.code, register.stderr], [0, "empusa: registered web/a at h:1, no TTL\n"]);
  const list = await empusa(["service", "list", "--format", "plain"], both);
  assertEquals([list.code, list.stdout], [0, "h:1\n"]);
  assert(list.took < 4000, `${list.took} ms`);
  const status = await empusa(["status"], both);
  assertEquals(status.code, 0);
  assertMatch(status.stdout.split("\n")[1] ?? "", /learner +3\.\d+\.\d+ +no/);
  const alone = await empusa(["service", "list"], { ...connect(learner), EMPUSA_TIMEOUT: "1" });
  assertEquals(alone.code, 3);
  assertMatch(alone.stderr, /it is a learner, which does not serve clients yet/);
});

const secret: Scripts = {
  Alarm: refusal(7, "etcdserver: permission denied"),
  Status: refusal(7, "etcdserver: permission denied"),
};

Deno.test("an endpoint that withholds its status counts as reachable", async () => {
  await using etcd = await HostileEtcd.start(secret);
  const env = { ...connect(etcd), EMPUSA_ETCD_USERNAME: "app", EMPUSA_ETCD_PASSWORD: "secret" };
  const table = await empusa(["status"], env);
  assertEquals(table.code, 0);
  assertMatch(table.stdout.split("\n")[1] ?? "", /^http:\/\/127\.0\.0\.1:\d+ +ok +- +- +\d+\.\d ms +- +-$/);
  const note = "empusa: etcd reports version, leader, size and alarms only to its user root\n";
  assertEquals(table.stderr.replace(/^empusa: warning: .*\n/gm, ""), note);
  const json = await empusa(["status", "--format", "json"], env);
  const [{ reachable, version, leader, alarms, error }] = JSON.parse(json.stdout).endpoints;
  assertEquals({ reachable, version, leader, alarms, error }, {
    reachable: true,
    version: null,
    leader: null,
    alarms: null,
    error: null,
  });
});

Deno.test("status does not wait for a silent endpoint once all others have answered", async () => {
  await using etcd = await HostileEtcd.start();
  await using silent = await HostileEtcd.start({ Alarm: () => {}, Status: () => {} });
  const { code, stdout, took } = await empusa(["status"], {
    ...connect({ endpoint: `${etcd.endpoint},${silent.endpoint}` }),
    EMPUSA_TIMEOUT: "20",
  });
  assertEquals(code, 0);
  assertMatch(stdout.split("\n")[2] ?? "", /no answer in time/);
  assert(took < 10_000, `${took} ms`);
});
