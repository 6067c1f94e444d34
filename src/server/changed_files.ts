/** Tells when files have changed, whatever way they were replaced: by their times, sizes and inodes. */
import { fingerprint } from "../system/mod.ts";

/** Milliseconds between two looks. */
const lookEvery = 1000;

/**
 * Calls the listener each time one of the files has changed, until it is disposed of.
 * @param onChange must not throw
 */
export function onChangedFiles(paths: readonly string[], onChange: () => Promise<void>): Disposable {
  let isOver = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let known: string | undefined;
  const look = async (): Promise<void> => {
    const now = (await Promise.all(paths.map(fingerprint))).join("\n");
    if (known !== undefined && now !== known && !isOver) await onChange();
    known = now;
    if (!isOver) timer = setTimeout(look, lookEvery);
  };
  void look();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
