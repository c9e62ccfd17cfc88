/**
 * What the running kernel can do for policies. Found out by whoever loads programs; here is only
 * what the rest of the room is told.
 *
 * @module
 */
import type { HookPoint } from "./model.ts";

/** Whether the kernel can do something; if not, why, in words that go behind "because". */
export type Ability =
  | { readonly has: true }
  | { readonly has: false; readonly reason: string };

/** A hook point in the running kernel. */
export type PointState =
  | {
    readonly exists: true;
    /** What is there returns an error code, which a program could replace. */
    readonly returnsError: boolean;
    /** How many arguments there are; undefined: it is not known. */
    readonly argCount?: number;
    /** Of an LSM hook: the function security_... that calls it with the same arguments. */
    readonly securityFunction?: string;
  }
  | { readonly exists: false; readonly reason: string; readonly hint: string };

/** Answers about the running kernel; each question is asked once. */
export interface KernelAbilities {
  /** Functions can be hooked. */
  readonly kprobe: Ability;
  /** Tracepoints can be hooked by name: tracefs is there. */
  readonly tracepoint: Ability;
  /** BPF is an active LSM, and a program of ours has denied what it was asked to deny. */
  readonly lsm: Ability;
  /** What functions security_... return can be replaced (fmod_ret); tried as `lsm` is. */
  readonly modifyReturn: Ability;
  /** Kprobes can replace what system calls return: bpf_override_return() is built in. */
  readonly overrideReturn: Ability;
  /** Whether the kernel has this point, whatever is needed to hook it. */
  findPoint(point: HookPoint): PointState;
}
