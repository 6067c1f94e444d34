/** Connections that a check makes: over the runtime's own sockets, which end when they are told to. */

/**
 * Connects to the first address of a host that accepts. The caller closes the connection.
 * @throws {Error} if none does; the message is the reason alone
 */
export async function connect(host: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  try {
    // node:net cannot give up on a connection that is not made yet on Deno 2.4.2: it keeps the descriptor.
    return await Deno.connect({ hostname: host, port, signal });
  } catch (error) {
    throw new Error(reason(error), { cause: error });
  }
}

/** Why a connection failed. */
export function reason(error: unknown): string {
  const { code = "", message } = error as Error & { code?: string };
  return reasons[code] ?? lookups.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ETIMEDOUT: "connection timed out",
};

/** A look-up has no code. */
const lookups: readonly (readonly [RegExp, string])[] = [
  [/temporary failure in name resolution/i, "its name cannot be looked up now"],
  [/failed to lookup address|no such host|name or service not known/i, "no such host"],
];
