/**
 * A call as policies see it, whatever looks: what is evaluated against policies or tables.
 *
 * @module
 */
import type { CapabilitySet, HookPoint, NamespaceName } from "../model.ts";

/** An address or a socket. Addresses have 16 bytes; IPv4 is mapped. */
export interface CallSocket {
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly family: number;
  readonly state: number;
  /** Of an address given to a system call: the socket it is given to, where there is one. */
  readonly socket?: { readonly family: number; readonly isRaw: boolean };
}

/**
 * A register, the bytes a pointer leads to, or the fields behind it. Null: an address that was left
 * out. Undefined: unreadable.
 */
export type CallValue = bigint | Uint8Array | CallSocket | null | undefined;

/** Who calls. */
export interface CallProcess {
  readonly tgid: number;
  /** In its own pid namespace; 0 when that is the host's. */
  readonly namespaceTgid: number;
  /** Path of the file that runs, as it was when it was executed. */
  readonly binary: Uint8Array | undefined;
  /** The name that was given to execve(2), from the root on: `shortestName()`. */
  readonly givenName: Uint8Array | undefined;
  /** Inode numbers. */
  readonly namespaces: Readonly<Record<NamespaceName, number>>;
  readonly capabilities: Readonly<Record<CapabilitySet, bigint>>;
  /** Who it descends from, in any order: what they were when they were under way. */
  readonly ancestors: readonly CallProcess[];
}

/** One call of a hook point. */
export interface PolicyCall {
  readonly point: HookPoint;
  readonly process: CallProcess;
  /** By index of the function's arguments; a text or buffer is as long as its memory. */
  readonly args: readonly CallValue[];
  /**
   * Of a system call, indexes of those whose memory is not there when it begins; what `args` says
   * of them is there when it ends. It makes no difference to what policies mean.
   */
  readonly missing?: readonly number[];
  /** The register. */
  readonly returned: bigint;
}
