/** `service run`: command lines that it rejects. */
import { assert, assertStringIncludes } from "@std/assert";
import { empusa } from "../../support/program.ts";

Deno.test("bad input of run is named, and nothing is started", async () => {
  const env = { EMPUSA_ETCD_ENDPOINT: "127.0.0.1:1", EMPUSA_TREE_ROOT: "/foo", EMPUSA_SERVICE_TYPE: "web" };
  const run = ["service", "run", "--service-location", "h"];
  const touch = ["--", "touch", "/dev/null/never"];
  for (
    const [args, message] of [
      [[...run], 'the command is missing: it follows "--"'],
      [[...run, "--"], 'a command must follow "--"'],
      [[...run, "./server"], 'Give the command after "--". See "empusa service run --help"'],
      [[...run, "--check-tcp", ...touch], "--check-tcp (EMPUSA_CHECK_TCP) without a value needs"],
      [[...run, "--check-tcp", "db", ...touch], '--check-tcp (EMPUSA_CHECK_TCP) must be HOST:PORT, not "db"'],
      [[...run, "--check-tcp=", ...touch], "--check-tcp (EMPUSA_CHECK_TCP) needs a value"],
      [
        [...run, "--check-http", "h:80", ...touch],
        '(EMPUSA_CHECK_HTTP) must be an http or https URL, not "h:80"',
      ],
      [[...run, "--check-exec", ...touch], "--check-exec (EMPUSA_CHECK_EXEC) needs a value"],
      [[...run, "--check-fall", "0", ...touch], "(EMPUSA_CHECK_FALL) must be a whole number, at least 1"],
      [
        [...run, "--drain", "-1", ...touch],
        '(EMPUSA_DRAIN) must be a number of seconds, at most 1000000, not "-1"',
      ],
      [[...run, "--on-lost", "die", ...touch], '(EMPUSA_ON_LOST) must be continue or stop, not "die"'],
      [[...run, "--service-name", "{ip}", ...touch], "must have no placeholders but {hostname} and {pid}"],
      [[...run.with(-1, "{pid}"), ...touch], "must have no placeholders but {hostname}"],
      [
        [...run.with(-1, "{ip:nope0}:1"), ...touch],
        'names the network interface "nope0", which has no address',
      ],
    ] as const
  ) {
    const { code, stderr } = await empusa(args, env);
    assert(code === 2, stderr);
    assertStringIncludes(stderr, message);
  }
  const register = ["service", "register", "--service-name", "a", "--service-location", "h:1"];
  for (
    const [options, message] of [
      ["--ttl 3 --check-tcp", "--check-tcp (EMPUSA_CHECK_TCP) needs --refresh-every"],
      ["--refresh-every 3 --check-exec true", "health checks need --ttl"],
    ] as const
  ) {
    const { code, stderr } = await empusa([...register, ...options.split(" ")], env);
    assert(code === 2, stderr);
    assertStringIncludes(stderr, message);
  }
});
