/** Opens what a server listens on. */
import { EmpusaError } from "../../errors.ts";
import { type ListenAddress, showAddress } from "./address.ts";
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
    const { host: hostname, port } = address;
    if (tls === undefined) return withAddress(Deno.listen({ hostname, port }));
    // Shared with the next certificate alone, so nobody may be there yet.
    Deno.listen({ hostname, port }).close();
    return openTls(address, tls);
  } catch (error) {
    if (error instanceof EmpusaError) throw error;
    throw cannotListen(address, error);
  }
}

/**
 * Listens with another certificate, beside the listener that has the old one.
 * @throws {Error} if the certificate or the key cannot be used
 */
export function openTls({ host, port }: ListenAddress & { readonly kind: "tcp" }, tls: KeyPair): Listener {
  return withAddress(Deno.listenTls({ hostname: host, port, ...tls, reusePort: true }));
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
