/**
 * What policies see and tell.
 *
 * @module
 */
import type { ProcessEventBase } from "./event_base.ts";
import type { FactBase } from "./fact_base.ts";
import type { Text } from "./text.ts";

/** A value as the kernel read it; how it is shown depends on the type that the policy gave. */
export type PolicyValue =
  | { readonly kind: "number"; readonly value: bigint }
  /** `isCut`: only its first 4,096 bytes. `isUnreadable`: the memory could not be read. */
  | {
    readonly kind: "text";
    readonly text: Text;
    /** The bytes themselves, for buffers. */
    readonly bytes: Uint8Array;
    readonly isCut: boolean;
    readonly isUnreadable: boolean;
  }
  | PolicyFile
  | PolicySocket
  | {
    readonly kind: "credentials";
    readonly capPermitted: bigint;
    readonly capEffective: bigint;
    readonly capInheritable: bigint;
  };

/** A file, by descriptor, `struct file` or `struct path`. */
export interface PolicyFile {
  readonly kind: "file";
  readonly path: Text;
  readonly isCut: boolean;
  readonly isUnreadable: boolean;
  readonly inode: bigint;
  readonly device: { readonly major: number; readonly minor: number };
  readonly mode: number;
  /** Descriptor; missing for arguments that are files themselves. */
  readonly fd?: number;
}

/** A socket or an address. Of an address only family, destination address and port are known. */
export interface PolicySocket {
  readonly kind: "socket";
  /** AF_ number. */
  readonly family: number;
  /** SOCK_ number. */
  readonly type: number;
  /** IPPROTO_ number. */
  readonly protocol: number;
  /** TCP_ number. */
  readonly state: number;
  readonly mark: number;
  readonly cookie: bigint;
  /** Text such as "10.0.0.1" or "::1"; "" when the family has none. */
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Selectors have matched a call, or its end. */
export interface PolicyHit extends FactBase {
  readonly type: "policy_hit";
  /** Number of the hook in the kernel's tables. */
  readonly hook: number;
  readonly phase: "call" | "return";
  /** Bits of the selectors that match and act, by word of the hook's rows. */
  readonly words: readonly { readonly index: number; readonly bits: bigint }[];
  readonly args: readonly PolicyValue[];
  /** What was done, or would have been but for the mode. */
  readonly effect?: {
    readonly kind: "signal" | "override";
    /** Signal number or errno. */
    readonly parameter: number;
    readonly isEnforced: boolean;
  };
  /** Told for counting only. */
  readonly isSilent: boolean;
  /** A hit of phase "return" of the same thread follows. */
  readonly expectsReturn: boolean;
  /** Decided when the call ended: its memory was not there at its beginning. */
  readonly isDeferred: boolean;
  /** It could not be decided for policies that close: they act. */
  readonly undecided?: UndecidedReason;
  /** In phase "return". */
  readonly returnValue: bigint;
  /** Of the thread that fired. */
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly capEffective: bigint;
}

/**
 * Why a call could not be decided: there was no room to wait for its memory, or that was gone when
 * the call ended.
 */
export type UndecidedReason = "no_room" | "memory_gone";

/** How a value is shown: the type that the policy gave it, and its label. */
export interface PolicyArgument {
  /** An `ArgumentType` of `src/policy/model.ts`. */
  readonly type: string;
  readonly label?: string;
  readonly value: PolicyValue;
}

/** Actions as they are told, in Tetragon's words without KPROBE_ACTION_. */
export type PolicyActionWord = "POST" | "NOPOST" | "SIGKILL" | "SIGNAL" | "OVERRIDE";

/** A policy has matched. Of one call each policy that matches tells one event. */
export interface PolicyEvent extends ProcessEventBase {
  readonly type: "process_kprobe" | "process_tracepoint" | "process_lsm";
  /** Thread that fired. */
  readonly tid: number;
  /** Function, such as "__x64_sys_openat" or "security_file_open"; of tracepoints the event. */
  readonly functionName: string;
  /** Of tracepoints. */
  readonly subsystem?: string;
  readonly args: readonly PolicyArgument[];
  readonly returns?: PolicyArgument;
  readonly action: PolicyActionWord;
  readonly returnAction?: PolicyActionWord;
  readonly message?: string;
  readonly tags: readonly string[];
  /** Credentials of the thread, which may be others than its process's. */
  readonly thread: {
    readonly uid: number;
    readonly gid: number;
    readonly euid: number;
    readonly egid: number;
    readonly capEffective: bigint;
  };
  readonly policy: {
    readonly name: string;
    readonly namespace?: string;
    /** Label, else the number from 0, of the selector that matched. */
    readonly selector: string;
    readonly guarantee: "prevent" | "kill-after" | "observe";
    readonly mode: "enforce" | "monitor" | "monitor_only";
    /** Whether the action was done. */
    readonly isEnforced: boolean;
    /** It acts without knowing whether the call is one that the selector looks for. */
    readonly undecided?: UndecidedReason;
    /** Binding, when it was made of a template. */
    readonly binding?: string;
  };
}
