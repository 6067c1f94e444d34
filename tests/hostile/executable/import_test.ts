/** Importing from the v2 API of etcd with the executable, whose runtime may be another one. */
import { assertEquals } from "@std/assert";
import { Etcd } from "../../support/etcd.ts";
import { missingV2, testUnless } from "../../support/lacking.ts";
import { connect, empusa } from "../../support/program.ts";

testUnless(
  missingV2(),
  "the executable imports what the v2 API holds, and tells what is in the way",
  async () => {
    await using etcd = await Etcd.start({ args: ["--enable-v2"] });
    // Longer than what one read of a socket brings.
    const value = "x".repeat(4000);
    for (let i = 0; i < 50; i++) {
      const body = new URLSearchParams({ value });
      await (await fetch(`${etcd.url}/v2/keys/foo/switch/a/${i}`, { method: "PUT", body })).text();
    }
    const imported = await empusa(["import", "--from-etcd-v2"], connect(etcd));
    assertEquals([imported.code, imported.stderr], [0, "empusa: 50 imported\n"]);
    assertEquals((await empusa(["switch", "get", "a/7"], connect(etcd))).stdout, `${value}\n`);
    using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    (async () => {
      for await (const connection of server) {
        await connection.read(new Uint8Array(4096));
        await connection.write(
          new TextEncoder().encode('HTTP/1.0 200 OK\r\ncontent-length: 999\r\n\r\n{"node":'),
        );
        connection.close();
      }
    })();
    const source = `127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
    const cut = await empusa(["import", "--from-etcd-v2", source, "--timeout", "2"], connect(etcd));
    assertEquals([cut.code, cut.stdout, cut.stderr.split("\n").length], [3, "", 2]);
  },
);
