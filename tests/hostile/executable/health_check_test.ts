/** Health checks of the executable against servers that behave badly: its runtime may be an old one. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { BrokenHttp, ways } from "../../support/broken_http.ts";
import { CertificateAuthority } from "../../support/certificates.ts";
import { empusa } from "../../support/program.ts";

const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo" };
const run =
  "service run --service-type web --service-name a --service-location h:1 --timeout 1 --check-timeout 0.5 " +
  "--check-interval 0.1";

Deno.test("no answer of a service ends its supervisor, nor does one cost a descriptor", async () => {
  using server = new BrokenHttp();
  const checks = Object.keys(ways).flatMap((way) => ["--check-http", `${server.url}/${way}`]);
  // A round takes as long as its slowest check, until it passes a second: the fewest are those between two rounds.
  const looks = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do ls /proc/$PPID/fd | wc -l; sleep 0.1; done";
  const count = `${looks}; sleep 2.5; echo; ${looks}; exit 7`;
  const { code, stdout, stderr } = await empusa([
    ...run.split(" "),
    ...checks,
    "--",
    "sh",
    "-c",
    `sleep 1; ${count}`,
  ], env);
  assertEquals([code, /Uncaught|rejection|unexpected/.test(stderr)], [7, false]);
  const [before = 0, after = 0] = stdout.trim().split("\n\n").map((part) =>
    Math.min(...part.split("\n").map(Number))
  );
  assert(after <= before + 4, `${before} descriptors have become ${after}`);
  assertStringIncludes(stderr, "closed-at-once: it closed the connection without a response");
});

Deno.test("https passes with the CA that is named", async () => {
  await using authority = await CertificateAuthority.make();
  const { cert, key } = await authority.sign("good", "DNS:localhost");
  const pem = { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  const options = { hostname: "127.0.0.1", port: 0, onListen: (): void => {} };
  await using server = Deno.serve({ ...options, ...pem }, () => new Response("body"));
  const args = [...run.split(" "), "--check-http", `https://localhost:${server.addr.port}/`];
  const command = ["--", "sh", "-c", "sleep 1; exit 7"];
  const trusted = await empusa([...args, "--check-ca-bundle", authority.cert, ...command], env);
  assertEquals(trusted.code, 7);
  assertStringIncludes(trusted.stderr, "web/a is healthy");
  const strange = await empusa([...args, ...command], env);
  assertEquals(strange.code, 7);
  assertStringIncludes(strange.stderr, "its certificate is not signed by a trusted CA");
});
