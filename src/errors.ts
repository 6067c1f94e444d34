/** The exit codes of empusa. They are part of its interface: scripts rely on them. */
export const ExitCode = {
  /** The command is done. */
  done: 0,
  /** The answer is no: `switch test` found the switch off, or `diff` found something to change. Nothing else exits with this code. */
  no: 1,
  /** The command line or the environment is invalid. Nothing was tried. */
  usage: 2,
  /** No etcd is reachable, or none answered in time. */
  unreachable: 3,
  /** etcd rejected the authentication or the permission. */
  refused: 4,
  /** Another process holds the name, or changed the switch first. */
  conflict: 5,
  /** The instance or switch does not exist. */
  absent: 6,
  /** The condition of `wait` was not met in time. */
  timeout: 7,
  /** `switch test`: the value is neither on nor off. */
  undecided: 8,
  /** Any other failure. */
  failed: 9,
} as const;

export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** A thing that the user should check. `src/settings/advice.ts` turns it into words with the names of options. */
export type Advice =
  | "endpoint"
  | "health"
  | "protocol"
  | "ca"
  | "server-certificate"
  | "server-name"
  | "tls-version"
  | "client-certificate"
  | "credentials";

interface Details extends ErrorOptions {
  /** The things that the user should check. The command line appends them to the message. */
  readonly advice?: readonly Advice[];
}

/**
 * A failure that ends the command with `exitCode` and one line on standard error. The message says what failed, on what
 * and why.
 */
export class EmpusaError extends Error {
  readonly exitCode: ExitCode;
  readonly advice: readonly Advice[];

  constructor(message: string, details: Details & { readonly exitCode?: ExitCode } = {}) {
    super(message, details);
    this.name = new.target.name;
    this.exitCode = details.exitCode ?? ExitCode.failed;
    this.advice = details.advice ?? [];
  }
}

/** The command line or the environment is invalid. */
export class UsageError extends EmpusaError {
  /** A second line that says where to read on. */
  hint: string | undefined;

  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.usage });
  }
}

/** No etcd is reachable, or none answered before the deadline. A write may have happened all the same. */
export class UnreachableError extends EmpusaError {
  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.unreachable });
  }
}

/** etcd answered, and rejected the authentication or the permission. */
export class RefusedError extends EmpusaError {
  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.refused });
  }
}

/**
 * A value breaks a rule. The message is the rule, so that it completes "X must …". The caller that knows the source of
 * the value adds it.
 */
export class InvalidValueError extends Error {
  override readonly name = "InvalidValueError";
  /** The invalid value, if it is one of several. */
  value: string | undefined;
}

/** Parses one of several values. The error names the value. */
export function parseOne<T>(value: string, parse: (text: string) => T): T {
  try {
    return parse(value);
  } catch (error) {
    if (error instanceof InvalidValueError) error.value ??= value;
    throw error;
  }
}

/** A command could not be started. The message is the reason, and the exit code is that of shells. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
  /** 127 if the command does not exist, 126 if it cannot be started. */
  readonly code: 126 | 127;

  constructor(code: 126 | 127, reason: string, cause: unknown) {
    super(reason, { cause });
    this.code = code;
  }
}
