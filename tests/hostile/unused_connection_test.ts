/** Connections that nobody uses: grpc-js makes them for channels that were closed while it paused. */
import "../../src/registry/etcd_patch.ts";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { until } from "../support/pause.ts";

Deno.test("a connection over which nothing is asked is ended, and one with a request is kept", async () => {
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream) => stream.respond({ ":status": 200 }));
  server.listen(0, "127.0.0.1");
  await until("it listens", () => server.listening);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const used = http2.connect(url);
  const stream = used.request({ ":path": "/" });
  const unused = http2.connect(url);
  try {
    await until("it is ended", () => unused.destroyed, 4);
    if (used.destroyed || stream.destroyed) throw new Error("the other one was ended too");
  } finally {
    stream.destroy();
    used.destroy();
    unused.destroy();
    server.close();
  }
});
