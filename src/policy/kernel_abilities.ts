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

/** How the kernel lets programs return something in the place of a function. */
export type ReplaceMeans = "fmod_ret" | "override_return";

/** Where a system call begins. */
export interface SyscallFunctions {
  /** Functions of the kernel that do it, by whichever table it was called. */
  readonly functions: readonly string[];
  /** Those of them that only the 32-bit table has. */
  readonly compat: readonly string[];
  /** Whether the kernel's types have it: fmod_ret needs them. */
  readonly isTyped: (name: string) => boolean;
  /** Ways into the call whose function is not known, in words. */
  readonly unknown: readonly string[];
}

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
    /** Of a function: how what it returns may be replaced, none when this is not there. */
    readonly replacedBy?: ReplaceMeans;
    /** Of a system call. */
    readonly entries?: SyscallFunctions;
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
  /** What functions of system calls return can be replaced by fmod_ret; tried as `lsm` is. */
  readonly modifySyscall: Ability;
  /** The same of functions of the 32-bit table, which the kernel may have and protect. */
  readonly modifyCompat: Ability;
  /** Kprobes can replace it too, by bpf_override_return(); tried as `lsm` is. */
  readonly overrideReturn: Ability;
  /** One program can be attached to many functions at once. */
  readonly kprobeMulti: Ability;
  /** Whether the verifier takes a program of this kind there; it is loaded once to see. */
  accepts(means: "lsm" | "fmod_ret", target: string): Ability;
  /** Whether the kernel has this point, whatever is needed to hook it. */
  findPoint(point: HookPoint): PointState;
}
