/**
 * Why an installation cannot be done.
 *
 * @module
 */

/** A step cannot be done; those before it are, and a second call goes on from there. */
export class InstallError extends Error {
  override readonly name = "InstallError";
  /** Name of the error number, when the system refused: EACCES, EROFS. */
  readonly code?: string;

  /** @param action with its object: `write "/etc/systemd/system/shrike.service"` */
  constructor(action: string, state: string, readonly hint: string, cause?: unknown) {
    super(`Cannot ${action}: ${state}`, { cause });
    const code = (cause as { code?: unknown } | undefined)?.code;
    if (typeof code === "string") this.code = code;
  }
}
