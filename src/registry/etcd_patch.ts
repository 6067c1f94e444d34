/**
 * Must be loaded before etcd3: grpc-js takes `connect` from these modules when it calls it, so what is mended
 * here is mended for it too.
 */
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";

const connect = http2.connect as (authority: string, options?: Options) => http2.ClientHttp2Session;

type Options = http2.SecureClientSessionOptions;

http2.connect = ((authority: string, options?: Options): http2.ClientHttp2Session => {
  const session = connect(authority, withoutAddressAsName(options));
  const emit = session.emit as (event: string | symbol, ...rest: unknown[]) => boolean;
  session.emit = (event: string | symbol, ...rest: unknown[]): boolean => {
    switch (event) {
      case "goaway":
        // Any polite restart of etcd sends one. To close the session from within the callback that tells of it,
        // as grpc-js does, ends the process with SIGSEGV in Deno 2.9.6. So it is told a moment later.
        setImmediate(() => emit.call(session, event, ...rest));
        return true;
      case "connect":
        // A server that refuses us right after the handshake may be gone before we are told that it is there.
        // grpc-js takes the socket for granted then; told of the end instead, it tries again.
        return emit.call(session, session.socket === undefined ? "close" : event, ...rest);
      default:
        return emit.call(session, event, ...rest);
    }
  };
  // Deno closes it there too, by itself.
  const close = session.close;
  session.close = (callback?: () => void): void => {
    setImmediate(() => close.call(session, callback));
  };
  return session;
}) as typeof http2.connect;

/**
 * An IP address is no server name (RFC 6066, section 3), and Deno refuses one where grpc-js gives it. Without
 * a name to ask for, the certificate is checked all the same, against the address.
 */
function withoutAddressAsName(options: Options | undefined): Options | undefined {
  const address = options?.servername;
  if (address === undefined || !net.isIP(address)) return options;
  const { checkServerIdentity = (_, certificate) => tls.checkServerIdentity(address, certificate) } =
    options as Options;
  // Present and undefined: where it is missing, grpc-js's own options show through.
  return { ...options, servername: undefined, checkServerIdentity } as unknown as Options;
}
