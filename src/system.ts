/** A stream that text is written to. */
export interface Output {
  /** Whether a person is looking at it. */
  readonly isTerminal: boolean;
  /** Writes all of `text`. A reader that has gone away is no failure: what is left is dropped. */
  write(text: string): Promise<void>;
}

/** One AbortSignal for every way in which somebody asks the process to stop. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal;
}

/** All that the program touches of the process around it. */
export interface System {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether colours are wanted on `output`: a terminal, and `NO_COLOR` (no-color.org) is not set. */
  wantsColor(output: Output): boolean;
  /** @throws {Deno.errors} where it cannot be read */
  readFile(path: string): Promise<Uint8Array>;
  /**
   * From now until it is disposed of, SIGINT and SIGTERM abort the signal instead of ending the process. A
   * second one leaves at once, with 128 and the number of the signal.
   */
  interruption(): Interruption;
}

/** The real one. */
export function system(): System {
  return {
    stdout: output(Deno.stdout),
    stderr: output(Deno.stderr),
    wantsColor: (output) => output.isTerminal && !Deno.noColor,
    readFile: (path) => Deno.readFile(path),
    interruption,
  };
}

function output(stream: typeof Deno.stdout): Output {
  let open = true;
  return {
    isTerminal: stream.isTerminal(),
    async write(text): Promise<void> {
      let bytes = new TextEncoder().encode(text);
      while (open && bytes.length > 0) {
        try {
          bytes = bytes.subarray(await stream.write(bytes));
        } catch (error) {
          if (error instanceof Deno.errors.BrokenPipe) open = false;
          // Whoever shares the stream with us has made it non-blocking, and its reader is slow.
          else if (error instanceof Deno.errors.WouldBlock) await new Promise((go) => setTimeout(go, 5));
          else throw error;
        }
      }
    },
  };
}

const stopSignals = Deno.build.os === "windows"
  ? { SIGINT: 2 } as const
  : { SIGINT: 2, SIGTERM: 15 } as const;

function interruption(): Interruption {
  const controller = new AbortController();
  const listeners = Object.entries(stopSignals).map(([name, number]) => {
    const signal = name as keyof typeof stopSignals;
    const listener = (): void => {
      if (controller.signal.aborted) Deno.exit(128 + number);
      controller.abort(signal);
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
