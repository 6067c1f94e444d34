/** What nobody has caught, from anywhere in the program or its libraries: it must not end the process. */

/**
 * From now on, the listener is told of each error that nobody caught and each rejection that nobody handled, instead of
 * the process ending with exit code 1.
 */
export function onUncaught(listener: (error: unknown) => void): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    listener(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    listener(event.error ?? event.message);
  });
}
