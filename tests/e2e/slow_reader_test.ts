/** Output that is longer than a pipe, for a reader that takes its time. */
import { assertEquals } from "@std/assert";
import { Etcd } from "../support/etcd.ts";
import { connect, shell } from "../support/program.ts";

/** Makes standard output non-blocking for all who share it: F_SETFL and O_NONBLOCK of Linux. */
const makeNonBlocking =
  'Deno.dlopen("libc.so.6", { fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" } })' +
  ".symbols.fcntl(1, 4, 2048)";

Deno.test("a list comes as a whole through a pipe, also if that was made non-blocking", async () => {
  await using etcd = await Etcd.start();
  await etcd.putMany(
    Array.from(
      { length: 5000 },
      (_, i) => [`/foo/service/web/instance-${i}`, `10.0.${i >> 8}.${i & 255}:80`],
    ),
  );
  const list = '"$0" service list --format json';
  const { stdout: whole } = await shell(
    `file=$(mktemp); ${list} >"$file"; cat "$file"; rm "$file"`,
    connect(etcd),
  );
  assertEquals(JSON.parse(whole).length, 5000);
  const deno = `'${Deno.execPath()}' eval --quiet --no-lock '${makeNonBlocking}'`;
  for (const before of ["true", deno]) {
    const { stdout, code } = await shell(`{ ${before}; ${list}; } | { sleep 1; cat; }`, connect(etcd));
    assertEquals([before, code, stdout.length, stdout === whole], [before, 0, whole.length, true]);
  }
});
