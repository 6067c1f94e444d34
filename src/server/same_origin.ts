/** Whether a request that changes something comes from the page of this server, and not from a page of somebody else. */
import { HttpError } from "./http/request.ts";
import { isLocal } from "./http/address.ts";

export interface OriginRules {
  /**
   * Whether the request has shown a token, which no foreign page has. Without one, whatever a browser of this machine sends
   * counts, so the name that the browser asked for has to be one of this machine: a foreign name may have been made to
   * point to it (DNS rebinding).
   */
  readonly hasToken: boolean;
}

/** @throws {HttpError} 403 if it does not, or does not say where it comes from */
export function checkOrigin(headers: ReadonlyMap<string, string>, { hasToken }: OriginRules): void {
  const host = urlOf(`http://${headers.get("host") ?? ""}`);
  if (host === undefined) throw new HttpError(403, "the Host header is malformed");
  if (!hasToken && !isLoopbackName(host.hostname)) {
    throw new HttpError(403, "without a token, the Host header must name this machine, such as localhost");
  }
  const site = headers.get("sec-fetch-site");
  if (site !== undefined && site !== "same-origin") {
    throw new HttpError(403, "changes are taken from the page of this server only");
  }
  const origin = urlOf(headers.get("origin") ?? "");
  // Whoever ends TLS in front of the server changes the scheme, and the port that goes without saying.
  const asked = origin === undefined ? undefined : urlOf(`${origin.protocol}//${headers.get("host")}`);
  if (origin === undefined || origin.host !== asked?.host) {
    throw new HttpError(403, "the Origin header must name this server");
  }
}

function isLoopbackName(hostname: string): boolean {
  return isLocal({ kind: "tcp", host: hostname.replace(/^\[(.*)\]$/, "$1"), port: 0 });
}

/** An HTTP URL of nothing but a host; undefined if the text is none. */
function urlOf(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isHost = url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" &&
    url.hash === "";
  return isHost && /^https?:$/.test(url.protocol) ? url : undefined;
}
