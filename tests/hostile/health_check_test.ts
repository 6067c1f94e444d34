/** Health checks against servers that behave badly, and over TLS. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { checksOf } from "../../src/commands/service/shared/checks.ts";
import { execCheck, httpCheck } from "../../src/registration/probes.ts";
import type { Check } from "../../src/registration/health.ts";
import { system } from "../../src/system/mod.ts";
import { BrokenHttp, ways } from "../support/broken_http.ts";
import { CertificateAuthority, type Signed } from "../support/certificates.ts";
import { until } from "../support/pause.ts";
import { empusa, start } from "../support/program.ts";

/** Sockets that are hung up on end in their own time. */
function test(name: string, fn: (t: Deno.TestContext) => Promise<void> | void): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Why a check fails, or "passes". */
async function outcome({ run }: Check, patience = 5000): Promise<string> {
  const over = new AbortController();
  const late = setTimeout(() => over.abort(), patience);
  try {
    await run(over.signal);
    return "passes";
  } catch (error) {
    return over.signal.aborted ? "late" : (error as Error).message;
  } finally {
    clearTimeout(late);
    over.abort();
  }
}

/** How many connections somebody holds open to a port: those of other tests in this process do not count. */
async function openTo(url: string): Promise<number> {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, "0");
  const lines = (await Deno.readTextFile("/proc/net/tcp")).trim().split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter(([, , remote = "", , , , , , , inode]) => remote.endsWith(`:${port}`) && inode !== "0")
    .length;
}

/** Resolves when no connection is open to the server. */
const untilClosed = (url: string): Promise<void> =>
  until("every connection is closed", async () => await openTo(url) === 0);

const expected: Readonly<Record<string, string>> = {
  interim503: "responded with status 503",
  silent: "late",
  "closed-at-once": "it closed the connection without a response",
  "cut-status": "the response ended before its status",
  "no-http": "the response is not HTTP",
  "endless-line": "the response is not HTTP",
  "endless-interim": "the response is not HTTP",
};

test("a status is the answer, whatever becomes of what follows, and every connection is closed", async () => {
  using server = new BrokenHttp();
  const round = async (): Promise<void> => {
    const found = await Promise.all(
      Object.keys(ways).map(async (way) => {
        const check = httpCheck(new URL(`${server.url}/${way}`), system());
        return [way, await outcome(check, way === "silent" ? 200 : undefined)];
      }),
    );
    for (const [way = "", what] of found) assertEquals([way, what], [way, expected[way] ?? "passes"]);
  };
  for (let i = 0; i < 3; i++) await round();
  await untilClosed(server.url);
});

test("a request has the host, the path, the query and the login of the URL", async () => {
  const over = new AbortController();
  const { signal } = over;
  let asked: { readonly url: string; readonly login: string } | undefined;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", signal, onListen: () => {} }, (request) => {
    asked = { url: request.url, login: request.headers.get("authorization") ?? "" };
    return new Response("body");
  });
  const { port } = server.addr;
  const check = httpCheck(new URL(`http://us%40er:p%zzw:ä@localhost:${port}/a%20b?token=secret#x`), system());
  assertEquals(check.name, `http http://localhost:${port}/a%20b?…`);
  assertEquals(await outcome(check), "passes");
  assertEquals(asked?.url, `http://localhost:${port}/a%20b?token=secret`);
  const login = asked?.login.replace("Basic ", "") ?? "";
  const bytes = Uint8Array.from(atob(login), (character) => character.charCodeAt(0));
  assertEquals(new TextDecoder().decode(bytes), "us@er:p%zzw:ä");
  over.abort();
});

test("a line of shell is told by its first word alone", () => {
  const name = (line: string): string => execCheck(line, { added: {}, withheld: [] }, system()).name;
  for (
    const [line, told] of [
      ["true", "exec true"],
      [" /usr/bin/check --password x ", "exec /usr/bin/check …"],
      ["PGPASSWORD=secret pg_isready", "exec PGPASSWORD=…"],
      ['A="x secret" pg_isready', "exec A=…"],
      ["'secret word'", "exec …"],
      [`x${"y".repeat(100)} z`, `exec x${"y".repeat(39)}…`],
      ["a;b", "exec a…"],
    ] as const
  ) assertEquals(name(line), told);
});

function serveTls({ cert, key }: Signed, port = 0): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port, onListen: (): void => {} };
  const pem = { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  return Deno.serve({ ...options, ...pem }, () => new Response("body"));
}

/** A certificate, the host that is checked, the CA that is trusted, and the outcome. */
type TlsCase = readonly [
  title: string,
  signed: Signed,
  host: string,
  ca: string | undefined,
  outcome: string | RegExp,
];

async function tlsCases(authority: CertificateAuthority, stranger: CertificateAuthority): Promise<TlsCase[]> {
  const names = "DNS:localhost,IP:127.0.0.1";
  const good = await authority.sign("good", names);
  const other = await authority.sign("other", "DNS:other.example");
  const otherAddress = await authority.sign("other-ip", "IP:127.0.0.2");
  const expired = await authority.sign("old", names, { from: -7_200_000, to: -3_600_000 });
  const [own, foreign] = [await Deno.readTextFile(authority.cert), await Deno.readTextFile(stranger.cert)];
  const unknown = /^its certificate is not signed by a trusted CA; name/;
  return [
    ["own CA", good, "localhost", own, "passes"],
    ["an address", good, "127.0.0.1", own, "passes"],
    ["one of several CAs", good, "localhost", foreign + own, "passes"],
    ["another CA", good, "localhost", foreign, unknown],
    ["no CA", good, "localhost", undefined, /\(EMPUSA_CHECK_CA_BUNDLE\)$/],
    ["another host", other, "localhost", own, "its certificate is not for localhost"],
    ["another address", otherAddress, "127.0.0.1", own, "its certificate is not for 127.0.0.1"],
    ["an expired certificate", expired, "localhost", own, "its certificate has expired"],
  ];
}

test("https passes with the named CA, and a failure names what is wrong with the certificate", async (t) => {
  await using authority = await CertificateAuthority.make();
  await using stranger = await CertificateAuthority.make();
  for (const [title, signed, host, ca, expected] of await tlsCases(authority, stranger)) {
    await t.step(title, async () => {
      await using server = serveTls(signed);
      const url = new URL(`https://${host}:${server.addr.port}/`);
      const found = await outcome(httpCheck(url, system(), () => Promise.resolve(ca)));
      if (typeof expected === "string") assertEquals(found, expected);
      else assertMatch(found, expected);
    });
  }
});

test("https to a server without TLS, or to a silent one, fails and leaves no connection open", async () => {
  using plain = new BrokenHttp();
  const url = new URL(plain.url.replace("http:", "https:"));
  assertEquals(
    await outcome(httpCheck(url, system())),
    "it closed the connection during the TLS handshake",
  );
  await using silent = new SilentServer();
  for (let i = 0; i < 3; i++) {
    assertEquals(await outcome(httpCheck(new URL(silent.url), system()), 50), "late");
  }
  await untilClosed(silent.url);
});

/** Takes connections, and says nothing. */
class SilentServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly url = `https://127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}/`;

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await Promise.resolve();
  }
}

test("the CAs of checks are read again, and one that is half written does not count", async () => {
  await using before = await CertificateAuthority.make();
  await using after = await CertificateAuthority.make();
  await using old = serveTls(await before.sign("a", "DNS:localhost"));
  await using renewed = serveTls(await after.sign("b", "DNS:localhost"));
  const bundle = await Deno.makeTempFile();
  await Deno.copyFile(before.cert, bundle);
  const url = ({ addr }: typeof old): URL => new URL(`https://localhost:${addr.port}/`);
  const [first, second] = await checksOf(
    {
      checkTcp: [],
      checkHttp: [url(old), url(renewed)],
      checkExec: [],
      checkCaBundle: bundle,
    } as unknown as Parameters<
      typeof checksOf
    >[0],
    { type: "web", name: "a", location: "h:1" },
    { system: system(), treeRoot: "/foo" } as unknown as Parameters<typeof checksOf>[2],
  ) as [Check, Check];
  assertEquals(await outcome(first), "passes");
  assertMatch(await outcome(second), /not signed by a trusted CA/);
  await Deno.writeTextFile(bundle, "-----BEGIN CERTIFICATE-----\nhalf");
  assertEquals(await outcome(first), "passes");
  await Deno.copyFile(after.cert, bundle);
  assertEquals(await outcome(second), "passes");
  await Deno.remove(bundle);
});

test("with the permissions that are shipped https passes, and a bundle that is none is named", async () => {
  await using authority = await CertificateAuthority.make();
  await using server = serveTls(await authority.sign("good", "DNS:localhost"));
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
  const args = (url: string, bundle: string): string[] => [
    ..."service run --service-type web --service-name a --service-location h:1 --timeout 1".split(" "),
    ...["--check-http", url, ...bundle === "" ? [] : ["--check-ca-bundle", bundle], "--", "sleep", "60"],
  ];
  const url = `https://localhost:${server.addr.port}/health?token=secret`;
  const shown = `http https://localhost:${server.addr.port}/health?…`;
  for (
    const [bundle, told] of [
      [authority.cert, "web/a is healthy"],
      ["", `web/a is not healthy yet: ${shown}: its certificate is not signed by a trusted CA`],
    ] as const
  ) {
    await using running = start(args(url, bundle), env);
    await running.said(told);
    running.signal("SIGTERM");
    const { code, stderr } = await running.outcome;
    assertEquals([code, stderr.includes("secret")], [143, false]);
  }
  const none = await empusa(args(url, "/dev/null"), env);
  assertEquals(none.code, 2);
  assertStringIncludes(
    none.stderr,
    "--check-ca-bundle (EMPUSA_CHECK_CA_BUNDLE) must hold certificates in PEM",
  );
  const useless = await empusa(args("http://localhost:1/", authority.cert), env);
  assertEquals(useless.code, 2);
  assertStringIncludes(useless.stderr, "needs --check-http (EMPUSA_CHECK_HTTP) with an https URL");
});
