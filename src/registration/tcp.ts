/** Connections for health checks, over the runtime's own sockets: those can be canceled. */

/**
 * Connects to the first address of the host that accepts. The caller closes the connection.
 * @throws {Error} if none does; the message is the reason alone
 */
export async function connect(host: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  try {
    // On Deno 2.4.2, node:net cannot cancel a connection that is being made: it keeps the descriptor.
    return await Deno.connect({ hostname: host, port, signal });
  } catch (error) {
    throw new Error(reason(error), { cause: error });
  }
}

/** Writes all of the bytes: a connection may take a part of them at a time. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** Returns why a connection failed, in a few words. */
export function reason(error: unknown): string {
  const { code = "", message } = error as Error & { code?: string };
  return reasons[code] ?? resolutionErrors.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "no route to host",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "connection timed out",
};

/** Errors of name resolution have no code. */
const resolutionErrors: readonly (readonly [RegExp, string])[] = [
  [/temporary failure in name resolution/i, "its name cannot be resolved now"],
  [/failed to lookup address|no such host|name or service not known/i, "no such host"],
];
