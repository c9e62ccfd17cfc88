/**
 * What the exit code of `shrike` says; shown by `shrike --help` and nowhere defined again.
 *
 * @module
 */

/** Exit codes by name. */
export const ExitCode = {
  ok: 0,
  /** Something failed that the other codes do not tell. */
  failure: 1,
  /** A mistake in the arguments, the environment, the config file or a policy. */
  usage: 2,
  /** Not root, a capability is missing, or the kernel is locked down. */
  notPermitted: 3,
  /** The kernel lacks something the agent needs, such as BTF or a tracepoint. */
  notSupported: 4,
  /** The kernel or the process has no memory left, or a limit on it is too low. */
  noMemory: 5,
  /** Nobody reads the events any more. */
  outputLost: 6,
  /** The terminal was closed on which `run` or `top` was started: 128 + SIGHUP. */
  hungUp: 129,
  /**
   * A second Ctrl-C ended the program at once, or a first one before it had an answer:
   * 128 + SIGINT.
   */
  interrupted: 130,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** The codes with their meaning, for the help. */
export const EXIT_CODE_TEXTS: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.ok, "success; run and top: also SIGINT, SIGTERM, --duration, --max-events"],
  [ExitCode.failure, "failure"],
  [ExitCode.usage, "mistake in arguments, environment, config file or policy"],
  [ExitCode.notPermitted, "not permitted: not root, missing capability, or locked-down kernel"],
  [ExitCode.notSupported, "the kernel lacks a needed feature"],
  [ExitCode.noMemory, "out of memory or of a limit on it"],
  [ExitCode.outputLost, "the reader of the output is gone"],
  [ExitCode.hungUp, "the terminal was closed"],
  [ExitCode.interrupted, "ended at once by a second Ctrl-C; top --once: by the first"],
];
