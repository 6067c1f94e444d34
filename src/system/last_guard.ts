/** What nobody has caught, from anywhere in the program or its libraries: it must not end the process. */

/** Rejections that mean nothing. */
const expected = new WeakSet<Event>();

/** From now on nobody is told of rejections of that kind, as something else tells of what they are about. */
export function expectRejections(isExpected: (reason: unknown) => boolean): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    if (!isExpected(event.reason)) return;
    event.preventDefault();
    expected.add(event);
  });
}

/**
 * From now on, the listener is told of each error that nobody caught and each rejection that nobody handled, instead of
 * the process ending with exit code 1.
 */
export function onUncaught(listener: (error: unknown) => void): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    // Those who expect it may listen later than we do.
    queueMicrotask(() => {
      if (!expected.has(event)) listener(event.reason);
    });
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    listener(event.error ?? event.message);
  });
}
