/**
 * What goes wrong in C, as exceptions with fields, and the one place where return values become
 * exceptions.
 *
 * @module
 */
import { errnoName, errnoText } from "./errno.ts";

/** What was attempted, for the error's text and fields. */
export interface Attempt {
  /** C function. */
  readonly operation: string;
  /** Words after "Cannot": "load BPF object". */
  readonly action: string;
  /** What it was done to. */
  readonly object: string;
}

/** A C function returned an error. Base of `LibbpfError` and `LibcError`. */
export class CallError extends Error {
  override readonly name: string = "CallError";
  /** C function that failed. */
  readonly operation: string;
  /** Error number, positive. */
  readonly code: number;
  readonly errnoName: string;
  /** What was found: "ENOSPC (no space left on device)". */
  readonly state: string;
  /** What the user may do about it. */
  readonly hint: string;

  constructor(attempt: Attempt, code: number, hint = hintFor(errnoName(code))) {
    const found = `${errnoName(code)} (${errnoText(code)})`;
    super(`Cannot ${attempt.action} "${attempt.object}": ${found}`);
    this.operation = attempt.operation;
    this.code = code;
    this.errnoName = errnoName(code);
    this.state = found;
    this.hint = hint;
  }
}

/** A libbpf call failed. */
export class LibbpfError extends CallError {
  override readonly name: string = "LibbpfError";
}

/** A libc call failed. */
export class LibcError extends CallError {
  override readonly name: string = "LibcError";
}

/** The kernel's verifier refused a program. */
export class VerifierError extends LibbpfError {
  override readonly name: string = "VerifierError";

  constructor(
    attempt: Attempt,
    code: number,
    /** Program that was refused. */
    readonly program: string,
    /** The verifier's log; its beginning when it was longer than the buffer. */
    readonly log: string,
  ) {
    super(attempt, code, "this kernel needs another form of the program; report it with the log");
    const lines = log.trimEnd().split("\n");
    this.message += `: program "${program}" was refused: ${lines.at(-2) ?? lines.at(-1) ?? ""}`;
  }
}

/** A shared library cannot be used. */
export class LibraryError extends Error {
  override readonly name = "LibraryError";

  constructor(
    readonly path: string,
    found: string,
    readonly hint: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot use library "${path}": ${found}`, options);
  }
}

/**
 * The value of a libbpf call that returns a negative error number itself.
 *
 * @throws {LibbpfError} it is negative.
 */
export function unwrap(value: number, attempt: Attempt): number {
  if (value < 0) throw new LibbpfError(attempt, -value);
  return value;
}

/**
 * The value of a libbpf call that returns NULL and leaves the reason in errno. `code` is errno,
 * read as the first thing after the call.
 *
 * @throws {LibbpfError} it is NULL.
 */
export function unwrapPointer(
  pointer: Deno.PointerValue,
  code: number,
  attempt: Attempt,
): Deno.PointerObject {
  if (pointer === null) throw new LibbpfError(attempt, code);
  return pointer;
}

/**
 * The value of a libc call that returns -1 and leaves the reason in errno.
 *
 * @throws {LibcError} it is -1.
 */
export function unwrapLibc(value: number | bigint, code: number, attempt: Attempt): number {
  if (value < 0) throw new LibcError(attempt, code);
  return Number(value);
}

function hintFor(name: string): string {
  switch (name) {
    case "EPERM":
    case "EACCES":
      return "run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE; " +
        "a kernel in lockdown (confidentiality) refuses BPF even to root";
    case "ENOMEM":
    case "ENOBUFS":
      return "free memory, raise the memory limit of the service, or use smaller rings and maps";
    case "EMFILE":
    case "ENFILE":
      return "raise the limit of open files (LimitNOFILE=)";
    case "ENOENT":
    case "ESRCH":
      return "check that the kernel has what the program asks for: BTF and the hook by that name";
    case "EINVAL":
    case "ENOSYS":
    case "ENOTSUPP":
    case "EOPNOTSUPP":
      return "the running kernel may be too old or built without this feature";
    case "ENOSPC":
    case "E2BIG":
      return "a limit was reached; ask for less";
    default:
      return name.startsWith("LIBBPF_")
        ? "the BPF object is damaged or was built for another machine; build it again"
        : "see the error's name in errno(3)";
  }
}
