/** Sessions of this process, kept until a test is over. */
import type { Session, SessionEvent } from "../../src/registry/mod.ts";
import type { Etcd } from "./etcd.ts";

export const web = { type: "web", name: "a", location: "h:1" };
export const key = "/foo/service/web/a";

/** A session that is kept until it is disposed of, with what it tells. */
export interface Kept extends AsyncDisposable {
  readonly events: SessionEvent[];
  readonly over: Promise<void>;
}

export function keep(
  session: Session,
  onConflict: "yield" | "takeover" = "yield",
  every: number | "auto" = "auto",
): Kept {
  const stop = new AbortController();
  const events: SessionEvent[] = [];
  const onEvent = (event: SessionEvent): void => void events.push(event);
  const over = session.run({ every, onConflict, signal: stop.signal, onEvent });
  return {
    events,
    over,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await over;
    },
  };
}

/** The client of etcd ends its timers and sockets in its own time. */
export function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** The newest revision of etcd. */
export async function revisionOf(etcd: Etcd): Promise<number> {
  return JSON.parse(await etcd.etcdctl("get", "-w", "json", "x")).header.revision;
}
