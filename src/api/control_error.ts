/**
 * What goes wrong between an agent and who asks it something.
 *
 * @module
 */

/** The agent cannot be asked, or cannot be made ready to be asked. */
export class ControlError extends Error {
  override readonly name: string = "ControlError";
  /** Of the system call that failed; decides about the exit code. */
  readonly code?: string;

  constructor(
    action: string,
    state: string,
    readonly hint: string,
    cause?: unknown,
  ) {
    super(`Cannot ${action}: ${state}`, { cause });
    const code = (cause as { code?: unknown } | undefined)?.code;
    if (typeof code === "string") this.code = code;
  }
}

/** Another agent listens there, so this one does not. */
export class SocketTakenError extends ControlError {
  override readonly name = "SocketTakenError";
}
