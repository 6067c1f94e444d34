/** Opens what a server listens on. */
import { EmpusaError } from "../../errors.ts";
import { type ListenAddress, showAddress, type TcpAddress } from "./address.ts";
import { delay } from "../../system/delay.ts";
import type { Conn } from "./connection.ts";

/** A certificate chain and its private key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Listener {
  accept(): Promise<Conn>;
  close(): void;
  readonly address: ListenAddress;
}

/**
 * Listens on an address, with TLS if there is a certificate. A Unix socket that a dead process left is replaced.
 * @throws {EmpusaError} if the address cannot be used
 */
export async function open(address: ListenAddress, tls: KeyPair | undefined): Promise<Listener> {
  try {
    if (address.kind === "unix") return await openUnix(address.path);
    return openTcp(address, tls);
  } catch (error) {
    if (error instanceof EmpusaError) throw error;
    throw cannotListen(address, error);
  }
}

function openTcp({ host: hostname, port }: TcpAddress, tls: KeyPair | undefined): Listener {
  return withAddress(
    tls === undefined ? Deno.listen({ hostname, port }) : Deno.listenTls({ hostname, port, ...tls }),
  );
}

/** @throws {Error} if the certificate or the key cannot be used */
export function checkKeyPair(tls: KeyPair): void {
  Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...tls }).close();
}

/** Milliseconds until an address that is in use is tried again. */
const retryAfter = 5;

/**
 * Listens where a listener was closed just now, which is there until its last `accept` has ended. Deno can neither change
 * the certificate of a listener nor, without an unstable option, share its port: connections are refused for a moment.
 * @param signal gives up
 * @returns undefined if it was given up
 */
export async function reopen(
  address: TcpAddress,
  tls: KeyPair,
  signal: AbortSignal,
): Promise<Listener | undefined> {
  while (!signal.aborted) {
    try {
      return openTcp(address, tls);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      await delay(retryAfter, signal);
    }
  }
  return undefined;
}

function withAddress(listener: Deno.TcpListener | Deno.TlsListener): Listener {
  const { hostname, port } = listener.addr as Deno.NetAddr;
  return {
    accept: () => listener.accept(),
    close: () => listener.close(),
    address: { kind: "tcp", host: hostname, port },
  };
}

async function openUnix(path: string): Promise<Listener> {
  await removeDeadSocket(path);
  const listener = Deno.listen({ transport: "unix", path });
  const { ino } = await Deno.lstat(path);
  return {
    accept: () => listener.accept(),
    close: () => {
      listener.close();
      removeOwn(path, ino);
    },
    address: { kind: "unix", path },
  };
}

/** Another server may have put its own socket there meanwhile. */
function removeOwn(path: string, ino: number | null): void {
  try {
    if (Deno.lstatSync(path).ino === ino) Deno.removeSync(path);
  } catch {
    // It is gone.
  }
}

/** @throws {EmpusaError} if somebody listens there, or it is no socket */
async function removeDeadSocket(path: string): Promise<void> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info === undefined) return;
  const address = { kind: "unix", path } as const;
  if (!info.isSocket) throw cannotListen(address, new Error("there is a file that is no socket"));
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    return await Deno.remove(path);
  }
  throw cannotListen(address, new Deno.errors.AddrInUse());
}

function cannotListen(address: ListenAddress, error: unknown): EmpusaError {
  const reason = error instanceof Deno.errors.AddrInUse
    ? "another process listens there; stop it or use another --http"
    : error instanceof Error
    ? error.message.replace(/ \(os error.*/s, "").toLowerCase()
    : `${error}`;
  return new EmpusaError(`cannot listen on ${showAddress(address)}: ${reason}`, { cause: error });
}
