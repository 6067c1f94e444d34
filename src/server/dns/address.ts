/** Where DNS is served. */
import { InvalidValueError } from "../../errors.ts";
import { parseListenAddress, type TcpAddress } from "../http/address.ts";

/**
 * Parses `IP:PORT` or `[V6]:PORT`. A name could have different addresses for UDP and TCP.
 * @throws {InvalidValueError} if it is neither
 */
export function parseDnsAddress(text: string): TcpAddress {
  const address = text.startsWith("unix:") ? undefined : parseListenAddress(text);
  if (address?.kind === "tcp" && (address.host.includes(":") || /^\d+(\.\d+){3}$/.test(address.host))) {
    return address;
  }
  throw new InvalidValueError("be IP:PORT, such as 127.0.0.1:8600, [::1]:8600 or 0.0.0.0:8600");
}
