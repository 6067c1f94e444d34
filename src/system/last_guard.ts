/** Keeps uncaught errors, from the program or its libraries, from ending the process. */

/** Rejections without a meaning. */
const expected = new WeakSet<Event>();

/** Silences unhandled rejections of a kind from now on, because another error reports their cause. */
export function expectRejections(isExpected: (reason: unknown) => boolean): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    if (!isExpected(event.reason)) return;
    event.preventDefault();
    expected.add(event);
  });
}

/**
 * From now on, calls the listener for each uncaught error and each unhandled rejection. Otherwise they would end the
 * process with exit code 1.
 */
export function onUncaught(listener: (error: unknown) => void): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    // Listeners of expectRejections may run after this one.
    queueMicrotask(() => {
      if (!expected.has(event)) listener(event.reason);
    });
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    listener(event.error ?? event.message);
  });
}
