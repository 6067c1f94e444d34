/** A system that is looked at instead of a screen. */
import { filesIn, fingerprint, isReadableByAll, type Output, type System } from "../../src/system/mod.ts";

export interface FakeSystem extends System {
  readonly printed: { stdout: string; stderr: string };
}

export function fakeSystem({ isTerminal = false, noColor = false } = {}): FakeSystem {
  const printed = { stdout: "", stderr: "" };
  const output = (name: keyof typeof printed): Output => ({
    isTerminal,
    open: true,
    write(text): Promise<void> {
      printed[name] += text;
      return Promise.resolve();
    },
  });
  return {
    printed,
    stdout: output("stdout"),
    stderr: output("stderr"),
    wantsColor: (output) => output.isTerminal && !noColor,
    readFile: (path) => Deno.readFile(path),
    filesIn,
    fingerprint,
    isReadableByAll,
    outputFile: () => {
      throw new Error("nothing is to be written");
    },
    env: (name) => Deno.env.get(name),
    hangUp: () => {},
    onUncaught: () => {},
    spawn: () => {
      throw new Error("nothing is to be started");
    },
    readStdin: () => Promise.resolve(new Uint8Array()),
    stdinIsTerminal: isTerminal,
    pid: Deno.pid,
    hostname: () => "here",
    networkInterfaces: () => new Map(),
    sourceAddress: () => Promise.reject(new Error("nobody is to be asked")),
    sendDatagram: () => {},
    adoptOrphans: () => ({ [Symbol.dispose]: () => {} }),
    onReaderGone: () => ({ [Symbol.dispose]: () => {} }),
    onSignals: () => ({ [Symbol.dispose]: () => {} }),
    interruption: () => ({ signal: new AbortController().signal, code: 0, [Symbol.dispose]: () => {} }),
  };
}
