/** What the tests use of `@std/assert`, over `node:assert/strict`, for networks where only npm is reachable. */
import strict from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- an error class may have any constructor, as in @std/assert
type ErrorClass<E extends Error> = new (...args: any[]) => E;

export function assert(condition: unknown, message = ""): asserts condition {
  strict.ok(condition, message);
}

export function assertEquals<T>(actual: T, expected: T): void {
  strict.deepEqual(actual, expected);
}

export function assertMatch(actual: string, expected: RegExp): void {
  strict.match(actual, expected);
}

export function assertStringIncludes(actual: string, expected: string): void {
  strict.ok(actual.includes(expected), `Expected actual: "${actual}" to contain: "${expected}".`);
}

export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return expected(error, errorClass, messageIncludes);
  }
  strict.fail("Expected function to throw.");
}

export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): Promise<E> {
  // What is thrown before there is a promise is no rejection.
  const promise = fn();
  try {
    await promise;
  } catch (error) {
    return expected(error, errorClass, messageIncludes);
  }
  strict.fail("Expected function to reject.");
}

function expected<E extends Error>(error: unknown, errorClass?: ErrorClass<E>, messageIncludes = ""): E {
  const wanted = errorClass ?? Error;
  if (!(error instanceof wanted)) {
    strict.fail(`Expected error to be instance of "${wanted.name}", but was "${error}".`);
  }
  if (!error.message.includes(messageIncludes)) {
    strict.fail(`Expected error message to include "${messageIncludes}", but got "${error.message}".`);
  }
  return error as E;
}
