/** `empusa serve --dns`: names of the registry for every program that has a resolver. */
import { EmpusaError } from "../../errors.ts";
import { Acceptor, type AcceptorOptions, type Source } from "../accepting.ts";
import { showAddress, type TcpAddress } from "../http/address.ts";
import type { ReadableView } from "../view.ts";
import { canonicalIp } from "./ip.ts";
import { Responder } from "./responder.ts";
import { defaultTcpLimits, TcpConnection, type TcpLimits } from "./tcp_connection.ts";
import { UdpServer } from "./udp.ts";

/** How often another port is tried, if one is free for UDP and not for TCP. */
const maxAttempts = 10;

export interface DnsOptions {
  readonly addresses: readonly TcpAddress[];
  /** As `parseDomain` gives it. */
  readonly domain: string;
  /** Seconds for which an answer may be remembered. */
  readonly ttl: number;
  readonly limits?: TcpLimits;
}

/** What the server needs of its surroundings. */
export interface DnsContext extends AcceptorOptions {
  /** Milliseconds without etcd after which there are no answers; undefined if there always are. */
  readonly maxStale: number | undefined;
  /** A question failed, or an answer could not be sent. Must not throw. */
  readonly onFailure: (error: unknown) => void;
}

/** What has been answered so far, for metrics. */
export interface DnsCounts {
  /** By their code. */
  readonly answers: ReadonlyMap<number, number>;
  readonly truncated: number;
  readonly connections: number;
  /** How many instances in use have something that DNS cannot tell. */
  readonly lacking: number;
}

export interface ServingDns extends AsyncDisposable {
  readonly addresses: readonly TcpAddress[];
  readonly counts: DnsCounts;
}

/**
 * Serves DNS from a view, over UDP and TCP. Disposing of it closes everything within 3 s.
 * @throws {EmpusaError} if it cannot listen
 */
export async function serveDns(
  view: ReadableView,
  options: DnsOptions,
  context: DnsContext,
): Promise<ServingDns> {
  await using started = new AsyncDisposableStack();
  const addresses: TcpAddress[] = [];
  const responder = started.use(
    new Responder(view, {
      ...options,
      ...context,
      servers: () => addresses.flatMap(({ host }) => ipsOf(host)),
    }),
  );
  const { limits = defaultTcpLimits } = options;
  const { onFailure } = context;
  const acceptor = new Acceptor<Source>((clock) => {
    const shared = { responder, limits, onFailure, clock };
    return (conn) => new TcpConnection(conn, shared);
  }, context);
  started.defer(() => acceptor.stop());
  for (const address of options.addresses) {
    const { udp, tcp, port } = await open(address, { responder, onFailure });
    started.use(udp);
    acceptor.accept(tcp);
    addresses.push({ ...address, port });
  }
  const running = started.move();
  return {
    addresses,
    get counts(): DnsCounts {
      const { lacking, counts: { byCode, truncated } } = responder;
      return { answers: byCode, truncated, connections: acceptor.connections, lacking };
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The addresses that others can ask, unless it is all of this machine. */
function ipsOf(host: string): readonly string[] {
  const ip = canonicalIp(host);
  return ip === "0.0.0.0" || ip === "::" ? [] : [ip];
}

/** Listens for UDP and TCP on the same port. */
async function open(
  address: TcpAddress,
  options: Parameters<typeof UdpServer.open>[1],
): Promise<{ readonly udp: UdpServer; readonly tcp: Source; readonly port: number }> {
  for (let attempt = 1;; attempt++) {
    const udp = await UdpServer.open(address, options).catch((error) => {
      throw cannotListen(address, error);
    });
    try {
      const { port } = udp;
      return { udp, tcp: Deno.listen({ hostname: address.host, port }), port };
    } catch (error) {
      await udp[Symbol.asyncDispose]();
      if (address.port !== 0 || attempt === maxAttempts) throw cannotListen(address, error);
    }
  }
}

function cannotListen(address: TcpAddress, error: unknown): EmpusaError {
  const text = error instanceof Error ? error.message : `${error}`;
  const isTaken = error instanceof Deno.errors.AddrInUse || text.includes("EADDRINUSE");
  const reason = isTaken ? "another process listens there; stop it or use another --dns" : text.toLowerCase();
  return new EmpusaError(`cannot listen for DNS on ${showAddress(address)}: ${reason}`, { cause: error });
}
