/**
 * The kernel's tables as the compiler writes them: small stores, each of which a running call may
 * see alone. The structs are those of `bpf/policy/policy.h`.
 *
 * @module
 */

/** Maps from a value to its row. */
export type ValueTable =
  | "policy_texts"
  | "policy_prefixes"
  | "policy_postfixes"
  | "policy_numbers"
  | "policy_ranges"
  | "policy_networks";

/** `struct policy_arg`. */
export interface KernelArg {
  readonly type: number;
  readonly index: number;
  readonly sizeIndex: number;
  readonly flags: number;
  readonly sizeMax: number;
}

/** `struct policy_dim`. */
export interface KernelDim {
  readonly test: number;
  readonly source: number;
  readonly slot: number;
  readonly part: number;
  readonly flags: number;
  readonly bits: bigint;
}

/** Words of `struct policy_effects`. */
export type EffectField =
  | "singles"
  | "starts"
  | "guards"
  | "post"
  | "enforce"
  | "waits"
  | "returns"
  | "defers"
  | "closes";

/**
 * Where tables are written. Every method is done when it returns, and is one store, or one update
 * of a map element, as far as a running call can see. Only `setEntry()` may fail, for want of
 * memory: it throws, and what was stored before is taken back. Others fail only when an invariant
 * is broken.
 */
export interface TableWriter {
  /** policy_rows: `row[word] = bits`. */
  setRowWord(row: number, word: number, bits: bigint): void;
  /** Enters a value that is not there. */
  setEntry(table: ValueTable, key: Uint8Array, row: number): void;
  /** It may be missing: when entering it failed. */
  deleteEntry(table: ValueTable, key: Uint8Array): void;

  /** The struct has 8 bytes: one store. Undefined: zero. */
  setHookArg(hook: number, slot: number, arg: KernelArg | undefined): void;
  setHookReturn(hook: number, arg: KernelArg | undefined): void;
  /** No list names the dimension, or only `bits` changes. Undefined: zero. */
  setHookDim(hook: number, dim: number, value: KernelDim | undefined): void;
  /** `call_dims` or `return_dims`. */
  setHookDims(hook: number, list: "call" | "return", dims: bigint): void;
  setHookFlags(hook: number, flags: number): void;

  /** policy_effects, row = hook * 2 + phase. */
  setEffectWord(row: number, field: EffectField, word: number, bits: bigint): void;
  /** Kind and parameter of an effect that has no bits. */
  setEffect(row: number, index: number, kind: number, parameter: number): void;
  setEffectBits(row: number, index: number, word: number, bits: bigint): void;

  /** Of a slot that policy_masks does not name. */
  setSlotIndex(slot: number, index: readonly number[]): void;
  setSlotMask(slot: number, position: number, bits: bigint): void;
  setSlotCount(slot: number, count: number): void;
  /** policy_masks: enters, or replaces what is there. */
  setMask(set: number, hook: number, slot: number): void;
  deleteMask(set: number, hook: number): void;

  /** Takes a bit out of every value of policy_trees; when it returns, no process has it. */
  clearTree(bit: number): void;

  /** Whether a call that is decided at its end may yet be decided by any of these bits. */
  isDeferred(hook: number, word: number, bits: bigint): boolean;

  /** Resolves when every program that ran when it was called has ended (a grace period of RCU). */
  settle(): Promise<void>;
}
