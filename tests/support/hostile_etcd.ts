/**
 * A server that speaks gRPC, and answers as a test has it: as an etcd that is broken, or somebody who wants us ill.
 * What a test does not say is answered as an etcd would that holds nothing and takes everything.
 */
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import type net from "node:net";
import { decode, encode, type Message } from "./wire.ts";

/** One call that came in, to be answered as it pleases. */
export interface Call {
  /** The name of the method, such as `Range`. */
  readonly method: string;
  /** Its headers. */
  readonly headers: http2.IncomingHttpHeaders;
  /** What it answers on, for whatever the others cannot do. */
  readonly stream: http2.ServerHttp2Stream;
  /** Begins the answer; without it, that is done by the first message. */
  begin(headers?: http2.OutgoingHttpHeaders): void;
  /** Sends a message, behind the flag that says whether it is compressed. */
  send(message: Message | Uint8Array, flag?: number): void;
  /** Ends the answer with a status: 0 is OK. */
  end(status?: number | string, words?: string): void;
}

/** Answers one message that came in for a call. Each message of a stream is told by itself. */
export type Script = (call: Call, request: ReadonlyMap<number, bigint | Uint8Array>) => void;

export type Scripts = Readonly<Record<string, Script>>;

/** The header before each answer: cluster, member, revision, term. */
export function header(revision: number | bigint = 7): Message {
  return [[1, 1], [2, 2], [3, revision], [4, 1]];
}

/** A key and what lies there, as it was written in that revision. */
export function keyValue(key: string, value = "h:1", revision: number | bigint = 5, lease = 0n): Message {
  return [[1, key], [2, revision], [3, revision], [4, 1], [5, value], [6, lease]];
}

/** An answer of one message. */
export function answer(...message: Message): Script {
  return (call) => {
    call.send(message);
    call.end();
  };
}

/** A refusal with a status. */
export function refusal(status: number, words: string): Script {
  return (call) => call.end(status, words);
}

/** How many watches each stream has. */
const watchesOf = new WeakMap<Call, number>();

const honest: Scripts = {
  Range: answer([1, header()]),
  Txn: answer([1, header()], [2, 1]),
  DeleteRange: answer([1, header()], [2, 1]),
  LeaseGrant: (call, request) => {
    call.send([[1, header()], [2, request.get(2) ?? 0n], [3, request.get(1) ?? 0n]]);
    call.end();
  },
  LeaseRevoke: answer([1, header()]),
  LeaseTimeToLive: (call, request) => {
    call.send([[1, header()], [2, request.get(1) ?? 0n], [3, 20], [4, 30]]);
    call.end();
  },
  LeaseLeases: answer([1, header()]),
  LeaseKeepAlive: (call, request) => call.send([[1, header()], [2, request.get(1) ?? 0n], [3, 30]]),
  Watch: (call, request) => {
    const watches = watchesOf.get(call) ?? 0;
    if (request.has(1)) call.send([[1, header()], [2, watches], [3, 1]]);
    else call.send([[1, header()], [2, -1]]);
    watchesOf.set(call, watches + 1);
  },
  Authenticate: answer([1, header()], [2, "token.1"]),
  Alarm: answer(),
  Status: answer([1, header()], [2, "3.4.23"], [3, 20_480], [4, 2]),
};

export class HostileEtcd implements AsyncDisposable {
  readonly #server: http2.Http2Server;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #scripts: Scripts = honest;
  /** How often each method was called; of a stream, how many messages came. */
  readonly calls = new Map<string, number>();

  private constructor(scripts: Scripts) {
    this.play(scripts);
    this.#server = http2.createServer();
    this.#server.on("connection", (socket: net.Socket) => socket.setNoDelay(true));
    this.#server.on("session", (session) => {
      this.#sessions.add(session);
      session.on("error", () => {});
      session.on("close", () => this.#sessions.delete(session));
    });
    this.#server.on("stream", (stream, headers) => this.#serve(stream as http2.ServerHttp2Stream, headers));
  }

  /** Starts one, and resolves when it listens. */
  static async start(scripts: Scripts = {}): Promise<HostileEtcd> {
    const etcd = new HostileEtcd(scripts);
    await new Promise<void>((resolve) => etcd.#server.listen(0, "127.0.0.1", resolve));
    return etcd;
  }

  /** `127.0.0.1:PORT` */
  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** From now on it answers like that. */
  play(scripts: Scripts): void {
    this.#scripts = { ...honest, ...scripts };
  }

  /** How it answers a method now. */
  scriptOf(method: string): Script {
    return this.#scripts[method] ?? refusal(12, "unknown method");
  }

  /** Ends all connections. */
  hangUp(): void {
    for (const session of this.#sessions) session.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    const method = `${headers[":path"]}`.split("/").at(-1) ?? "";
    const call = callOf(method, stream, headers);
    stream.on("error", () => {});
    let rest = Buffer.alloc(0);
    stream.on("data", (bytes: Uint8Array) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        const message = rest.subarray(5, end);
        rest = rest.subarray(end);
        // What a stream of requests asks lies in a field of its own.
        this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
        this.scriptOf(method)(call, decode(message));
      }
    });
    stream.on("end", () => {
      if (!stream.destroyed && /^(Watch|LeaseKeepAlive)$/.test(method)) call.end();
    });
  }
}

function callOf(method: string, stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): Call {
  let begun = false;
  let trailers: http2.OutgoingHttpHeaders = {};
  const isOver = (): boolean => stream.destroyed || stream.closed || stream.writableEnded;
  const begin = (more: http2.OutgoingHttpHeaders = {}): void => {
    if (begun || isOver()) return;
    begun = true;
    stream.on("wantTrailers", () => {
      if (!stream.destroyed) stream.sendTrailers(trailers);
    });
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...more }, {
      waitForTrailers: true,
    });
  };
  return {
    method,
    headers,
    stream,
    begin,
    send: (message, flag = 0): void => {
      begin();
      if (isOver()) return;
      const content = message instanceof Uint8Array ? message : encode(message);
      const frame = Buffer.alloc(5 + content.length);
      frame.writeUInt8(flag, 0);
      frame.writeUInt32BE(content.length, 1);
      frame.set(content, 5);
      stream.write(frame);
    },
    end: (status = 0, words = ""): void => {
      begin();
      if (isOver()) return;
      trailers = { "grpc-status": `${status}`, "grpc-message": words };
      stream.end();
    },
  };
}
