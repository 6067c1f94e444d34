/** A reader of server-sent events. */
import { until } from "./pause.ts";

export interface Event {
  readonly kind: string;
  readonly id: string;
  // deno-lint-ignore no-explicit-any -- the JSON is looked into
  readonly data: any;
}

/** Reads `/api/events`. */
export class Events implements Disposable {
  readonly #over = new AbortController();
  /** All that came, without the heartbeats. */
  readonly all: Event[] = [];
  /** The seconds in the last heartbeat. */
  staleSeconds: number | undefined;
  ended = false;

  constructor(url: string, id?: string) {
    void this.#read(url, id);
  }

  async next(count: number): Promise<Event> {
    await until(`event ${count} of ${JSON.stringify(this.all)}`, () => this.all.length >= count);
    return this.all[count - 1] as Event;
  }

  async #read(url: string, id: string | undefined): Promise<void> {
    const headers: Record<string, string> = id === undefined ? {} : { "Last-Event-ID": id };
    let text = "";
    try {
      const { body } = await fetch(`${url}/api/events`, { headers, signal: this.#over.signal });
      for await (
        const part of (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream())
      ) {
        text += part;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
          this.#take(text.slice(0, end));
        }
      }
    } catch {
      // The test is over.
    }
    this.ended = true;
  }

  #take(text: string): void {
    const fields = new Map(text.split("\n").map((line) => line.split(/: (.*)/s) as [string, string]));
    const kind = fields.get("event") ?? "";
    const data = JSON.parse(fields.get("data") ?? "");
    if (kind === "status") this.staleSeconds = data.stale_seconds;
    else this.all.push({ kind, id: fields.get("id") ?? "", data });
  }

  [Symbol.dispose](): void {
    this.#over.abort();
  }
}
