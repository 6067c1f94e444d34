/** Connections without a use: closed ones, and those that grpc-js makes for closed channels. */
import "../../src/registry/etcd/compat/http2.ts";
import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { until } from "../support/pause.ts";

Deno.test("a connection without requests ends, and one with a request stays", async () => {
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

Deno.test("a closed connection releases its socket, even if the peer does not end it", async () => {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    // An empty SETTINGS frame is all that the other side waits for (RFC 9113, section 3.4).
    socket.write(new Uint8Array([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await until("it listens", () => server.listening);
  const { port } = server.address() as AddressInfo;
  let socket: net.Socket | undefined;
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    createConnection: () => socket = net.connect(port, "127.0.0.1"),
  });
  await until("it is connected", () => !session.connecting);
  session.close();
  await until("it is closed", () => session.destroyed);
  await until("it is let go of", () => socket?.destroyed === true, 3);
  server.close();
});
