/** Each way in which etcd cannot be reached or cannot answer: what is said, and the exit code. One line, whatever happens. */
import { assert, assertEquals } from "@std/assert";
import { Cluster, Etcd, freePorts } from "../support/etcd.ts";
import { endpointCheck, failed, healthCheck, list, protocolCheck } from "../support/failures.ts";
import { pause } from "../support/pause.ts";
import { empusa } from "../support/in_process.ts";
import { registerWeb } from "../support/program.ts";

/** A listener that does something with every connection. Those that it keeps are closed with it. */
function server(serve: (connection: Deno.Conn) => Promise<void>): Disposable & { endpoint: string } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Deno.Conn[] = [];
  (async (): Promise<void> => {
    for await (const connection of listener) {
      connections.push(connection);
      serve(connection).catch(() => {});
    }
  })();
  return {
    endpoint: `127.0.0.1:${listener.addr.port}`,
    [Symbol.dispose]: (): void => {
      listener.close();
      for (const connection of connections) {
        try {
          connection.close();
        } catch {
          // It was closed before.
        }
      }
    },
  };
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

Deno.test("connection refused", async () => {
  const endpoint = `http://127.0.0.1:${freePorts(1)[0]}`;
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: connection refused; ${endpointCheck}`,
  );
});

Deno.test("a black hole: a listener that never answers, with TLS and without", async () => {
  using hole = server(async () => {});
  for (const scheme of ["http", "https"]) {
    const endpoint = `${scheme}://${hole.endpoint}`;
    failed(
      await list(endpoint),
      3,
      `cannot reach etcd within 2 s: ${endpoint}: no answer in time; ${healthCheck}`,
    );
  }
});

Deno.test("a frozen server", async () => {
  await using etcd = await Etcd.start();
  await etcd.signal("SIGSTOP");
  failed(
    await list(etcd.url),
    3,
    `cannot reach etcd within 2 s: ${etcd.url}: no answer in time; ${healthCheck}`,
  );
});

Deno.test("a host name that is unknown", async () => {
  const endpoint = "http://no-such-host.invalid:2379";
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: the host name no-such-host.invalid is unknown; ${endpointCheck}`,
  );
});

Deno.test("a server that hangs up at once", async () => {
  using rude = server((connection) => Promise.resolve(connection.close()));
  const endpoint = `http://${rude.endpoint}`;
  failed(
    await list(endpoint),
    3,
    `cannot reach etcd within 2 s: ${endpoint}: it closes the connection; ${healthCheck}`,
  );
});

Deno.test("servers that are not etcd", async () => {
  using banner = server(async (connection) => {
    await connection.write(text("SSH-2.0-OpenSSH_9.2\r\n"));
  });
  using http1 = server(async (connection) => {
    await connection.read(new Uint8Array(1024));
    await connection.write(text("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  });
  await using http2 = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  for (const address of [banner.endpoint, http1.endpoint, `127.0.0.1:${http2.addr.port}`]) {
    const endpoint = `http://${address}`;
    failed(
      await list(endpoint),
      3,
      `cannot reach etcd within 2 s: ${endpoint}: its answer does not come from etcd; ${endpointCheck}`,
    );
  }
  const endpoint = `https://${banner.endpoint}`;
  failed(await list(endpoint), 3, `cannot reach etcd: ${endpoint}: it does not speak TLS; ${protocolCheck}`);
});

Deno.test("debugging adds the cause", async () => {
  const { code, stderr } = await list(`http://127.0.0.1:${freePorts(1)[0]}`, { EMPUSA_LOGLEVEL: "debug" });
  assertEquals(code, 3);
  assert(/^empusa: cannot reach etcd .*\nempusa: debug: caused by AttemptFailure/.test(stderr), stderr);
  assert(stderr.includes("14 UNAVAILABLE"), stderr);
});

Deno.test("a cluster without a leader", async () => {
  await using cluster = await Cluster.start(3);
  const [etcd, ...others] = cluster.members as [Etcd, Etcd, Etcd];
  await Promise.all(others.map((other) => other.signal("SIGKILL")));
  // Its election timeout is 0.2 s.
  await pause(1000);
  failed(
    await list(etcd.url),
    3,
    `cannot reach etcd within 2 s: ${etcd.url}: its cluster has no leader; ${healthCheck}`,
  );
});

Deno.test("a database that is full", async () => {
  await using etcd = await Etcd.start({ args: ["--quota-backend-bytes=200000"] });
  await etcd.fill();
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo", EMPUSA_TIMEOUT: "2" };
  const message = `etcd at ${etcd.url} cannot write: its database is full (NOSPACE alarm); ` +
    "compact and defragment it, then: etcdctl alarm disarm";
  failed(await empusa(registerWeb, env), 9, message);
  assertEquals((await list(etcd.url)).code, 0);
});

Deno.test("a request that is too large", async () => {
  await using etcd = await Etcd.start({ args: ["--max-request-bytes=1000"] });
  const large = [...registerWeb.slice(0, -1), "x".repeat(3000)];
  const env = { EMPUSA_ETCD_ENDPOINT: etcd.url, EMPUSA_TREE_ROOT: "/foo" };
  failed(
    await empusa(large, env),
    9,
    `etcd at ${etcd.url} cannot write: the request is too large; check etcd's --max-request-bytes`,
  );
});
