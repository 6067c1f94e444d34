/** `empusa serve` on the command line, and as a process. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Etcd, freePorts } from "../support/etcd.ts";
import { empusa } from "../support/in_process.ts";
import { NotifySocket } from "../support/notify_socket.ts";
import { connect, start } from "../support/program.ts";
import { Events } from "../support/event_stream.ts";
import { get } from "../support/serving.ts";
import { until } from "../support/pause.ts";

const nobody = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };

Deno.test("serve refuses settings that do not go together, and to be reached from elsewhere by everybody", async () => {
  const far = "can be reached from other machines: it needs --auth-token-file";
  for (
    const [said, ...args] of [
      [`0.0.0.0:8500 ${far}`, "--http", "0.0.0.0:8500"],
      [`[::]:8500 ${far}`, "--http", "127.0.0.1:0", "--http", "[::]:8500"],
      [`serve.test:80 ${far}`, "--http", "127.0.0.1:0,serve.test:80"],
      ["must be HOST:PORT", "--http", "8500"],
      ["must be HOST:PORT", "--http", "127.0.0.1:65536"],
      ["must be unix: and an absolute path", "--http", "unix:x"],
      ["--tls-cert (EMPUSA_SERVE_TLS_CERT) needs --tls-key", "--tls-cert", "x"],
      ["--tls-key (EMPUSA_SERVE_TLS_KEY) needs --tls-cert", "--tls-key", "x"],
      ["must not both be given", "--auth-token-file", "x", "--allow-anonymous"],
      ["at least 6", "--max-stale", "5"],
      [
        "--ui-write (EMPUSA_SERVE_UI_WRITE) needs --auth-token-file",
        ...["--ui-write", "--allow-anonymous", "--http", "0.0.0.0:8500"],
      ],
      ["at least 1", "--max-connections", "0"],
      ["(EMPUSA_SERVE_DNS) must be IP:PORT", "--dns", "localhost:8600"],
      ["(EMPUSA_SERVE_DNS) must be IP:PORT", "--dns", "unix:/x"],
      ["must be a domain such as empusa", "--dns-domain", "a..b"],
      ["must be a domain such as empusa", "--dns-domain", "x.arpa"],
      ["must be a domain such as empusa", "--dns-domain", `${"x".repeat(60)}.${"y".repeat(60)}`],
      ["at most 3600", "--dns-ttl", "3601"],
    ] as const
  ) {
    const { code, stderr } = await empusa(["serve", ...args], nobody);
    assertEquals([said, code], [said, 2]);
    assertStringIncludes(stderr, said);
  }
});

Deno.test("serve says why it cannot listen, or use a file", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/file`, "x");
  for (
    const [said, ...args] of [
      [`cannot listen on 127.0.0.1:${port}: another process listens there`, "--http", `127.0.0.1:${port}`],
      [
        `cannot listen for DNS on 127.0.0.1:${port}: another process listens there`,
        ...["--http", "127.0.0.1:0", "--dns", `127.0.0.1:${port}`],
      ],
      ["there is a file that is no socket", "--http", `unix:${folder}/file`],
      ["must hold tokens of 16 to 1024", "--http", "127.0.0.1:0", "--auth-token-file", `${folder}/file`],
      [`cannot read "${folder}/none"`, "--http", "127.0.0.1:0", "--auth-token-file", `${folder}/none`],
    ] as const
  ) {
    const { code, stderr } = await empusa(["serve", ...args], nobody);
    assertEquals([said, code], [said, 9]);
    assertStringIncludes(stderr, said);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a process is ready once it has read everything; on SIGTERM it answers what waits, and exits with 0", async () => {
  await using etcd = await Etcd.start();
  await etcd.etcdctl("put", "/foo/service/web/a", "h:1");
  const folder = await Deno.makeTempDir();
  using manager = new NotifySocket(`${folder}/notify`);
  const socket = `${folder}/http`;
  const [port] = freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const args = ["serve", "--http", `127.0.0.1:${port}`, "--http", `unix:${socket}`];
  await using process = start(args, {
    ...connect(etcd),
    NOTIFY_SOCKET: manager.name,
    WATCHDOG_USEC: "200000",
  });
  await manager.got("READY=1");
  await manager.got("WATCHDOG=1");
  const { text, headers } = await get(`${url}/api/services`);
  assertEquals(JSON.parse(text).length, 1);
  assertStringIncludes((await get(`${url}/`)).text, 'src="page/main.js"');
  assertStringIncludes((await get(`${url}/page/main.js`)).text, 'import { Model } from "./model.js"');
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  assertEquals(await (await fetch("http://empusa/healthz", { client })).text(), "ok\n");
  const waiting = get(`${url}/api/services?index=${headers.get("x-empusa-index")}`);
  using events = new Events(url);
  await events.next(1);
  await until("the request waits", async () => /long_polls 1\n/.test((await get(`${url}/metrics`)).text));
  const stopped = performance.now();
  process.signal("SIGTERM");
  assertEquals((await waiting).text, text);
  const { code, stderr } = await process.outcome;
  assert(performance.now() - stopped < 5000);
  assertEquals(code, 0);
  assertMatch(stderr, /serving http on .*read 1 instance and 0 switches.*stopping\n$/s);
  await until("the stream has ended", () => events.ended);
  await manager.got("STOPPING=1");
  // Nothing is left but the other socket.
  assertEquals(await Array.fromAsync(Deno.readDir(folder), ({ name }) => name), ["notify"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a process waits for an etcd that comes late, and takes the place of a socket that a dead one left", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGKILL");
  const folder = await Deno.makeTempDir();
  using manager = new NotifySocket(`${folder}/notify`);
  const socket = `${folder}/http`;
  const env = {
    ...connect(etcd),
    EMPUSA_TIMEOUT: "1",
    EMPUSA_SERVE_HTTP: `unix:${socket}`,
    NOTIFY_SOCKET: manager.name,
  };
  await using killed = start(["serve"], env);
  await killed.said("serving http");
  killed.signal("SIGKILL");
  await killed.outcome;
  await using process = start(["serve"], env);
  await manager.got("STATUS=waiting for etcd");
  await process.said("cannot read the registry yet, retrying: ");
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  const ready = async (): Promise<number> => {
    const answer = await fetch("http://empusa/readyz", { client });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await ready(), 503);
  await etcd.restart();
  await until("it is ready", async () => await ready() === 200);
  process.signal("SIGTERM");
  assertEquals((await process.outcome).code, 0);
  await Deno.remove(folder, { recursive: true });
});
