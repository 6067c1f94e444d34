/** What the exit codes of empusa mean. They are part of its interface: scripts rely on them. */
export const ExitCode = {
  /** What was asked for is done. */
  done: 0,
  /** `switch test`: the switch is off. Nothing else ends with this code, so that no failure is taken for an answer. */
  off: 1,
  /** The command line or the environment is wrong; nothing was tried. */
  usage: 2,
  /** No etcd could be reached, or none answered in time. */
  unreachable: 3,
  /** etcd refused: authentication or permission. */
  refused: 4,
  /** Somebody else holds the name. */
  conflict: 5,
  /** What was asked for is not there. */
  absent: 6,
  /** What was waited for did not come in time. */
  timeout: 7,
  /** A question that is answered by 0 or 1 has no answer. */
  undecided: 8,
  /** It failed for a reason that no other code names. */
  failed: 9,
} as const;

export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** What the user should check. The command line turns each item into words with the names of its options. */
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
  /** What the user should check. The command line appends it to the message. */
  readonly advice?: readonly Advice[];
}

/**
 * A failure that a person is told about in one line, and that ends the command with `exitCode`.
 * The line says what failed, on what and why.
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

/** What was typed, or found in the environment, cannot be used. */
export class UsageError extends EmpusaError {
  /** Where to read on. */
  hint: string | undefined;

  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.usage });
  }
}

/** No etcd could be reached, or none answered before the deadline. A write may have happened all the same. */
export class UnreachableError extends EmpusaError {
  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.unreachable });
  }
}

/** etcd answered, and refused: who we are, or what we may do. */
export class RefusedError extends EmpusaError {
  constructor(message: string, details: Details = {}) {
    super(message, { ...details, exitCode: ExitCode.refused });
  }
}

/**
 * A value breaks a rule. The message is the rule, so that it completes "X must …": the one who knows where
 * the value came from puts that in front.
 */
export class RuleViolation extends Error {
  override readonly name = "RuleViolation";
  /** The value that breaks it, where that is one of several. */
  value: string | undefined;
}

/** A command could not be started, for a reason that shells have an exit code for. The message is the reason. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
  /** 127 where there is no such command, 126 where there is one that cannot be started. */
  readonly code: 126 | 127;

  constructor(code: 126 | 127, reason: string, cause: unknown) {
    super(reason, { cause });
    this.code = code;
  }
}
