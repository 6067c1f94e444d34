/** A Docker daemon for what a real one does not do on request: other versions, hostile answers, events that do not arrive. */
import { inspection, type Sketch } from "./docker_answers.ts";

export class ScriptedDocker implements AsyncDisposable {
  /** The containers that run. */
  containers: readonly Sketch[] = [];
  /** What it answers to `GET /version`. */
  version: unknown = { Version: "29.0.0", ApiVersion: "1.52", MinAPIVersion: "1.44" };
  /** Answers to paths that end so, in place of its own. */
  readonly answers = new Map<string, (signal: AbortSignal) => Response | Promise<Response>>();
  /** The paths of all requests, without their query. */
  readonly asked: string[] = [];
  /** What streams of events were asked for. */
  readonly queries: URLSearchParams[] = [];
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(port = 0) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  get socket(): { readonly hostname: string; readonly port: number } {
    return { hostname: "127.0.0.1", port: this.#server.addr.port };
  }

  /** How many streams of events are open. */
  get followers(): number {
    return this.#streams.size;
  }

  /** Sends text to all streams of events. */
  send(text: string): void {
    for (const stream of this.#streams) stream.enqueue(new TextEncoder().encode(text));
  }

  /** Sends an event of a container. */
  tell(Action: string, ID: string, Attributes: Readonly<Record<string, string>> = {}): void {
    this.send(`${JSON.stringify({ Type: "container", Action, Actor: { ID, Attributes } })}\n`);
  }

  /** Ends all streams of events. */
  hangUp(): void {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangUp();
    await this.#server.shutdown();
  }

  #answer(request: Request): Response | Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    this.asked.push(pathname);
    if (pathname.endsWith("/events")) this.queries.push(searchParams);
    const scripted = [...this.answers].find(([end]) => pathname.endsWith(end));
    if (scripted !== undefined) return scripted[1](request.signal);
    if (pathname.endsWith("/version")) return Response.json(this.version);
    if (pathname.endsWith("/events")) return this.#events();
    const all = this.containers.map(inspection);
    if (pathname.endsWith("/containers/json")) {
      return Response.json(
        all.map(({ Id, Name }) => ({ Id, Names: [Name], State: "running", Status: "Up 1 second" })),
      );
    }
    const found = all.find(({ Id }) => pathname.endsWith(`/containers/${Id}/json`));
    return found === undefined
      ? Response.json({ message: "No such container" }, { status: 404 })
      : Response.json(found);
  }

  #events(): Response {
    let mine: ReadableStreamDefaultController<Uint8Array>;
    return new Response(
      new ReadableStream({
        start: (controller) => {
          mine = controller;
          this.#streams.add(controller);
        },
        cancel: () => void this.#streams.delete(mine),
      }),
    );
  }
}
