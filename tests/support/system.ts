/** A system that is looked at instead of a screen. */
import type { Output, System } from "../../src/system.ts";

export interface FakeSystem extends System {
  readonly printed: { stdout: string; stderr: string };
}

export function fakeSystem({ isTerminal = false, noColor = false } = {}): FakeSystem {
  const printed = { stdout: "", stderr: "" };
  const output = (name: keyof typeof printed): Output => ({
    isTerminal,
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
    env: (name) => Deno.env.get(name),
    pid: Deno.pid,
    sendDatagram: () => {},
    interruption: () => ({ signal: new AbortController().signal, [Symbol.dispose]: () => {} }),
  };
}
