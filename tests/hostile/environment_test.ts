/** What a child finds in its environment: everything, byte for byte, but for what is secret. */
import { assert } from "@std/assert";
import { connect, shell } from "../support/program.ts";

Deno.test("a child gets variables that are no UTF-8 as they are, and not the password", async () => {
  const show = `sh -c 'printf "%s\\n" "$FOO" | od -An -tx1; env'`;
  const variables = String
    .raw`FOO=$'a\xffb' EMPUSA_ETCD_PASSWORD=secret EMPUSA_ETCD_USERNAME= NOTIFY_SOCKET=/nowhere`;
  const run = "service run --service-type web --service-name a --service-location h:1";
  for (
    const line of [
      `${run} --etcd-username root -- ${show}`,
      `${run} --etcd-username root --check-exec 'test -n "$FOO" && test -z "$EMPUSA_ETCD_PASSWORD"' -- sh -c 'sleep 1; exec ${
        show.replaceAll("'", `'"'"'`)
      }'`,
    ]
  ) {
    const { code, stdout, stderr } = await shell(
      `${variables} "$0" ${line}`,
      connect({ endpoint: "127.0.0.1:1" }),
    );
    assert(code === 0, stderr);
    assert(stdout.startsWith(" 61 ff 62 0a\n"), stdout);
    assert(!/secret|NOTIFY_SOCKET/.test(stdout), stdout);
    assert(/^EMPUSA_SERVICE_NAME=a$/m.test(stdout), stdout);
  }
});
