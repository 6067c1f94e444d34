/** What a request says, and what it is answered with. */

/** A request as the connection read it. */
export interface Request {
  readonly method: string;
  /** The segments of the path, decoded: `/a/b%20c` is `a` and `b c`, and `/` is none. */
  readonly path: readonly string[];
  /** The parameters, decoded, in order. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** By lower-case name; several of one name are joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** Who is connected: the address of the other end, or `unix` on a Unix socket. */
  readonly peer: string;
  /** The reader is gone, or the server stops: whatever waits has to end. */
  readonly signal: AbortSignal;
}

/** An answer as a whole. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** An answer that goes on until the function returns. */
export interface Stream {
  readonly status: 200;
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes until it has nothing more to say, or the signal of the request is aborted. */
  readonly stream: (out: StreamWriter) => Promise<void>;
}

export interface StreamWriter {
  /**
   * Resolves when the network has taken all of it, so that a slow reader slows its own stream, and needs no buffer.
   * @throws {Error} if the reader is gone, or takes nothing for too long
   */
  write(text: Uint8Array): Promise<void>;
}

/** A request is refused. The message is the sentence that its sender reads. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** The answer that a refusal is. */
export function refusal({ status, message, headers }: HttpError): Answer {
  return {
    status,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
    body: `${message}\n`,
  };
}

/** A value as JSON. */
export function jsonAnswer(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status: 200,
    headers: { "Content-Type": "application/json", ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

/** The value of a parameter that may be given once. @throws {HttpError} 400 if it is given more than once */
export function parameter({ query }: Pick<Request, "query">, name: string): string | undefined {
  const values = parameters({ query }, name);
  if (values.length > 1) throw new HttpError(400, `the parameter ${name} must not be given more than once`);
  return values[0];
}

/** All values of a parameter, in order. */
export function parameters({ query }: Pick<Request, "query">, name: string): string[] {
  if (query.length === 0) return [];
  return query.filter(([key]) => key === name).map(([, value]) => value);
}
