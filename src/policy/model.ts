/**
 * A policy as the rest of the room sees it: read, checked and normalised, but independent of the
 * kernel it will run on. Immutable.
 *
 * @module
 */

/** A place in a file; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Whether the actions of a policy are done or only told. */
export type PolicyMode =
  | "enforce"
  | "monitor"
  /** It has no action that could be enforced, so there is nothing to switch. */
  | "monitor_only";

/** How sure it is that what a rule forbids does not happen, strongest first. */
export type Guarantee =
  /** The call fails: it has not happened. */
  | "prevent"
  /** The call may have happened; the process gets a signal before it returns to user space. */
  | "kill-after"
  /** It is told. */
  | "observe";

/** One policy. */
export interface Policy {
  readonly name: string;
  /** Of a namespaced policy: the pods' namespace. */
  readonly namespace?: string;
  readonly place: Place;
  readonly mode: PolicyMode;
  /** Weaker guarantees refuse the policy. */
  readonly require?: Guarantee;
  /** The workloads it is about; one must match. Empty: everything on the host. */
  readonly workloads: readonly WorkloadSelector[];
  readonly hooks: readonly PolicyHook[];
  /**
   * What enforcing selectors do on a call that cannot be decided; "act" unless it is said. See
   * `closesOn()`.
   */
  readonly undecided?: UndecidedChoice;
  readonly binding?: PolicyBinding;
}

/** On a call of which it cannot be told whether a selector matches. */
export type UndecidedChoice = "act" | "pass";

/**
 * The template and the binding that a policy was made of. Where two bindings of one template select
 * the same workload, neither holds there unless all allow it; then that with the highest priority
 * does. Equal priorities are refused as if it were not allowed.
 */
export interface PolicyBinding {
  readonly template: string;
  /** Also the name of the policy. */
  readonly name: string;
  readonly overrideAllowed: boolean;
  readonly overridePriority: number;
}

/** Where a policy looks. */
export type HookPoint =
  /** `name` without prefix: "openat". Hooked at the raw sys_enter and sys_exit tracepoints. */
  | { readonly kind: "syscall"; readonly name: string }
  | { readonly kind: "kprobe"; readonly name: string }
  | { readonly kind: "tracepoint"; readonly subsystem: string; readonly name: string }
  | { readonly kind: "raw_tracepoint"; readonly name: string }
  /** `name` without prefix: "file_open". */
  | { readonly kind: "lsm"; readonly name: string };

/** One hook of a policy with what it looks at. */
export interface PolicyHook {
  readonly point: HookPoint;
  readonly place: Place;
  /** A kernel without this function loads the rest of the policy. */
  readonly mayBeMissing?: true;
  /** In the order of the file: conditions and events count them so. At most 5. */
  readonly args: readonly HookArgument[];
  /** Also the call's end is seen, with a value of this type. */
  readonly returns?: HookArgument;
  /** The first that matches acts. Never empty: without selectors there is one that matches. */
  readonly selectors: readonly Selector[];
  readonly message?: string;
  readonly tags: readonly string[];
}

/** How a value is read and shown. A row each in `argument_types.ts`. */
export type ArgumentType =
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "size"
  | "string"
  | "char_buf"
  | "fd"
  | "file"
  | "path"
  | "linux_binprm"
  | "sock"
  | "sockaddr"
  | "cred"
  | "capability"
  | "syscall64"
  | "nop";

/** One argument of a hook. */
export interface HookArgument {
  /** Which of the function's arguments, from 0. Not used for what it returns. */
  readonly index: number;
  readonly type: ArgumentType;
  readonly label?: string;
  /** Index, from 0, of the argument that has the size of a char_buf. */
  readonly sizeIndex?: number;
  /** Bytes of a char_buf that are read at most. */
  readonly sizeMax?: number;
  readonly place: Place;
}

/** Conditions, all of which must hold, and what is done then. */
export interface Selector {
  readonly label?: string;
  readonly place: Place;
  readonly conditions: readonly Condition[];
  /** Beside the policy's: one must match. Empty: no further restriction. */
  readonly workloads: readonly WorkloadSelector[];
  /** Never empty, and either "post" or "no_post" is among them. */
  readonly actions: readonly Action[];
  /**
   * At the call's end, when also the conditions on "return" hold. Of hooks with `returns` only.
   * Without "post" and "no_post" the end is told when the call was.
   */
  readonly returnActions: readonly Action[];
}

/** What is compared. */
export type Subject =
  /** tgid; in the process's own pid namespace if so asked. */
  | { readonly of: "pid"; readonly isNamespacePid: boolean; readonly followForks: boolean }
  /** The program: the file that runs; for operators that are not negated also its given name. */
  | { readonly of: "binary"; readonly followChildren: boolean }
  /** Position in `PolicyHook.args`, and which part of the value. */
  | { readonly of: "argument"; readonly position: number; readonly part: ValuePart }
  | { readonly of: "return" }
  | { readonly of: "namespace"; readonly namespace: NamespaceName }
  | { readonly of: "capabilities"; readonly set: CapabilitySet };

/** A value as a whole, or a part of a socket or an address. */
export type ValuePart =
  | "value"
  | "source_address"
  | "destination_address"
  | "source_port"
  | "destination_port"
  | "protocol"
  | "family"
  | "state";

export type NamespaceName =
  | "uts"
  | "ipc"
  | "mnt"
  | "pid"
  | "pid_for_children"
  | "net"
  | "time"
  | "time_for_children"
  | "cgroup"
  | "user";

export type CapabilitySet = "effective" | "inheritable" | "permitted";

/** How a value is compared; negation is apart. */
export type Test =
  /** Text is one of these, byte for byte. */
  | { readonly kind: "text"; readonly values: readonly Uint8Array[] }
  /** Text begins with one of these, 252 bytes at most each. */
  | { readonly kind: "prefix"; readonly values: readonly Uint8Array[] }
  /** Text ends with one of these, 124 bytes at most each. */
  | { readonly kind: "postfix"; readonly values: readonly Uint8Array[] }
  /**
   * Number is one of these, as 64 bits without sign. `withHost`: or the inode of the host's own
   * namespace, which is known only where the policy is loaded. Then `values` may be empty.
   */
  | { readonly kind: "number"; readonly values: readonly bigint[]; readonly withHost?: true }
  /**
   * Number is in one of these, bounds included. Of signed types both bounds are moved by 2^63, so
   * that order is that of unsigned numbers.
   */
  | { readonly kind: "range"; readonly isSigned: boolean; readonly values: readonly NumberRange[] }
  /** At least one of these bits is set. */
  | { readonly kind: "bits"; readonly mask: bigint }
  /** Address is in one of these networks; IPv4 as ::ffff:a.b.c.d. */
  | { readonly kind: "network"; readonly values: readonly Network[] };

/** Both included. */
export interface NumberRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** 16 bytes and how many of their bits count. */
export interface Network {
  readonly address: Uint8Array;
  readonly bits: number;
}

/** One condition of a selector. */
export interface Condition {
  readonly subject: Subject;
  readonly test: Test;
  readonly isNegated: boolean;
  readonly place: Place;
}

/** What a match does. */
export type Action =
  | { readonly kind: "post" }
  | { readonly kind: "no_post" }
  | { readonly kind: "sigkill" }
  | { readonly kind: "signal"; readonly signal: number }
  /** The call fails with -errno; `errno` is positive. */
  | { readonly kind: "override"; readonly errno: number };

/** A label and what it must be. */
export interface LabelTerm {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

/** What a workload must be; what is given must all hold. Texts are globs (`*`, `?`). */
export interface WorkloadSelector {
  readonly place: Place;
  /** Kinds of workloads of `src/events/workload.ts`. */
  readonly kinds?: readonly string[];
  readonly names?: readonly string[];
  readonly images?: readonly string[];
  readonly labels?: readonly LabelTerm[];
  readonly units?: readonly string[];
  readonly slices?: readonly string[];
  /** Uids of sessions and user slices. */
  readonly users?: readonly number[];
  readonly cgroupPaths?: readonly string[];
  readonly podLabels?: readonly LabelTerm[];
  readonly podNamespaces?: readonly string[];
  readonly containerNames?: readonly string[];
  /** None of these: a container whose name is not known is not selected. */
  readonly notContainerNames?: readonly string[];
  /** Runtimes: docker, podman, containerd, ... */
  readonly runtimes?: readonly string[];
}
