/**
 * Why BPF objects cannot be loaded here, in words for people.
 *
 * @module
 */
import { LibbpfError, VerifierError } from "../../ffi/mod.ts";

/** Kinds of obstacle; tests and callers look at these, not at the text. */
export type LoadObstacle =
  /** Not root, or a capability is missing. */
  | "not_permitted"
  /** The kernel is in lockdown "confidentiality". */
  | "lockdown"
  /** The kernel lacks a feature or a hook. */
  | "not_supported"
  | "no_memory"
  /** The verifier refused a program. */
  | "refused"
  /** Object and program are of different builds. */
  | "build_mismatch"
  | "other";

/** Fields of a `LoadError`. */
export interface LoadErrorFields {
  readonly obstacle: LoadObstacle;
  /** State found; stands behind the colon of the message. */
  readonly state: string;
  readonly hint: string;
  /** Kernel feature, hook or program that is missing or refused. */
  readonly feature?: string;
  readonly cause?: unknown;
}

/** Obstacles that are a matter of rights or memory, as the errno a program gets for them. */
const ERRNO_NAMES: Partial<Record<LoadObstacle, string>> = {
  not_permitted: "EPERM",
  lockdown: "EPERM",
  no_memory: "ENOMEM",
};

/** A sensor, or any sensor, cannot be loaded. */
export class LoadError extends Error {
  override readonly name = "LoadError";
  readonly obstacle: LoadObstacle;
  readonly hint: string;
  readonly feature?: string;
  readonly errnoName?: string;

  /** @param object what cannot be loaded: `sensor "process"`, `BPF programs` */
  constructor(
    readonly object: string,
    readonly state: string,
    fields: Omit<LoadErrorFields, "state">,
  ) {
    super(`Cannot load ${object}: ${state}`, { cause: fields.cause });
    this.obstacle = fields.obstacle;
    this.hint = fields.hint;
    if (fields.feature !== undefined) this.feature = fields.feature;
    const errnoName = ERRNO_NAMES[fields.obstacle];
    if (errnoName !== undefined) this.errnoName = errnoName;
  }
}

/** Looking for what an object of this build has. */
const FIND_OPERATIONS: readonly string[] = [
  "bpf_object__find_map_by_name",
  "bpf_object__next_program",
  "bpf_map__initial_value",
];

/** What libbpf or the kernel said about `object` (`sensor "process"`), in our words. */
export function explainLoadFailure(object: string, error: unknown): LoadError {
  if (error instanceof LoadError) return error;
  const { state, ...fields } = explain(error);
  return new LoadError(object, state, { ...fields, cause: error });
}

function explain(error: unknown): LoadErrorFields {
  if (error instanceof VerifierError) {
    return {
      obstacle: "refused",
      state: `the kernel's verifier refused program "${error.program}": ${lastVerdict(error.log)}`,
      hint: "report it with the kernel version and the log of `--log-level debug`",
      feature: `program ${error.program}`,
    };
  }
  if (!(error instanceof LibbpfError)) {
    const state = error instanceof Error ? error.message : String(error);
    return { obstacle: "other", state, hint: "build the program again, or report it" };
  }
  if (FIND_OPERATIONS.includes(error.operation)) {
    const hint = "run `deno task build`";
    return { obstacle: "build_mismatch", state: error.message, hint };
  }
  switch (error.errnoName) {
    case "EPERM":
    case "EACCES":
      return {
        obstacle: "not_permitted",
        state: `the kernel does not permit it (${error.errnoName})`,
        hint: "run as root of the host, outside of user namespaces and seccomp filters; " +
          "containers need --privileged or CAP_BPF and CAP_PERFMON",
      };
    case "ENOMEM":
      return {
        obstacle: "no_memory",
        state: "the kernel has no memory for its maps and programs (ENOMEM)",
        hint: "free memory, or raise the memory limit of the service or container",
      };
    case "ENOENT":
    case "ESRCH":
      return {
        obstacle: "not_supported",
        state: `the kernel lacks a hook or type that it needs (${error.errnoName})`,
        hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF and CONFIG_BPF_EVENTS, 5.10 or newer",
        feature: "hook",
      };
    default:
      return { obstacle: "other", state: error.message, hint: error.hint };
  }
}

/** The line of a verifier log that says what was wrong: the last before its statistics. */
function lastVerdict(log: string): string {
  const lines = log.trimEnd().split("\n").filter((line) =>
    !/^(processed|verification time|stack depth|-- )/.test(line)
  );
  return lines.at(-1)?.trim() ?? "no reason given";
}
