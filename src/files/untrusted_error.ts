/**
 * Why what stands at a path is not obeyed.
 *
 * @module
 */
/** A file or directory is not what it must be. */
export class UntrustedError extends Error {
  override readonly name = "UntrustedError";

  constructor(
    /** What is at fault: the file, or a directory on the way to it. */
    readonly path: string,
    readonly state: string,
    readonly hint: string,
    cause?: unknown,
  ) {
    super(`Cannot use "${path}": ${state}`, { cause });
  }
}

/** As the runtime throws it. */
export function notFound(path: string): Error {
  return Object.assign(new Deno.errors.NotFound(`Cannot find "${path}"`), { code: "ENOENT" });
}
