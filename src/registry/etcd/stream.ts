/** What the bidirectional streams of gRPC have in common. */
import { AttemptFailure } from "./attempt.ts";

/** A bidirectional stream, as far as empusa uses it. */
export interface Duplex<Request, Response> {
  write(request: Request): unknown;
  cancel(): void;
  on(event: "data", listener: (response: Response) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

/** Calls `onEnd` once, with the reason, when the stream ends. */
export function whenEnded<Request, Response>(
  stream: Duplex<Request, Response>,
  name: string,
  onEnd: (reason: Error) => void,
): void {
  let ended = false;
  const end = (reason: Error): void => {
    if (ended) return;
    ended = true;
    onEnd(reason);
  };
  stream.on("error", end);
  stream.on("end", () => end(new AttemptFailure(`it ends the ${name}`, { advice: "health" })));
}
