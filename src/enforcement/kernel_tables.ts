/**
 * The tables of policies in the kernel: `TableWriter` over mapped arrays and maps.
 *
 * @module
 */
import { type BpfMap, Errno, LibbpfError, type Libc, MapUpdate } from "../../ffi/mod.ts";
import type { EffectField, KernelArg, KernelDim, TableWriter, ValueTable } from "../policy/mod.ts";
import {
  POLICY_ARG_SIZE,
  POLICY_DIM_SIZE,
  POLICY_EFFECT_SIZE,
  PolicyDimOffset as Dim,
  PolicyEffectKind,
  PolicyEffectOffset as Effect,
  PolicyEffectsOffset as Effects,
  PolicyHookFlag,
  PolicyHookOffset as Hook,
  PolicyLimit,
  PolicyProcessOffset as Process,
  PolicyRowOffset as Row,
  PolicySlotOffset as Slot,
  PolicySource,
} from "../wire/mod.ts";
import { DEFERRED_CALLS, hasKeptBits } from "./kept_calls.ts";
import { MappedArray } from "./mapped_array.ts";

const WORD_SIZE = 8;

/** How long a grace period is taken to last on kernels that do not tell. */
const SETTLE_MS = 1_000;

/** What `KernelTables` writes to. */
export interface KernelTablesOptions {
  /** Gives a map of the policies' object. */
  readonly map: (name: string) => BpfMap;
  readonly libc: Pick<Libc, "mmap" | "pageSize" | "waitForGracePeriod">;
}

/** Tables in the kernel. Owns the mappings, not the maps. */
export class KernelTables implements TableWriter {
  readonly #options: KernelTablesOptions;
  readonly #rows: MappedArray;
  readonly #hooks: MappedArray;
  readonly #effects: MappedArray;
  readonly #slots: MappedArray;
  readonly #masks: MappedArray;
  readonly #syscalls: MappedArray;
  readonly #open: MappedArray[] = [];
  /** Hooks that are told, or may be decided, at their end; dimensions that look at the past. */
  readonly #returning = new Set<number>();
  readonly #deferring = new Set<number>();
  readonly #pastDims = new Set<number>();
  /** Places of effects that are errors: row * POLICY_EFFECTS_MAX + index. */
  readonly #overrides = new Set<number>();

  /** @throws {LibcError} an array cannot be mapped; nothing stays mapped. */
  constructor(options: KernelTablesOptions) {
    this.#options = options;
    try {
      this.#rows = this.#mapArray("policy_rows");
      this.#hooks = this.#mapArray("policy_hooks");
      this.#effects = this.#mapArray("policy_effects");
      this.#slots = this.#mapArray("policy_slots");
      this.#masks = this.#mapArray("policy_masks");
      this.#syscalls = this.#mapArray("policy_syscalls");
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether something is done or told at the end of calls of a hook. */
  isReturning(hook: number): boolean {
    return this.#returning.has(hook);
  }

  /** Whether any policy makes calls of a hook fail. */
  isOverriding(hook: number): boolean {
    const perHook = 2 * PolicyLimit.POLICY_EFFECTS_MAX;
    for (const place of this.#overrides) if (Math.floor(place / perHook) === hook) return true;
    return false;
  }

  /** Whether something is decided when calls of a hook end, if their memory was missing before. */
  isDeferring(hook: number): boolean {
    return this.#deferring.has(hook);
  }

  /** Whether any hook looks at names of programs, or at trees of processes. */
  get looksAtPast(): boolean {
    return this.#pastDims.size > 0;
  }

  setRowWord(row: number, word: number, bits: bigint): void {
    this.#rows.setU64(row, Row.words + word * WORD_SIZE, bits);
  }

  setEntry(table: ValueTable, key: Uint8Array<ArrayBuffer>, row: number): void {
    const value = new Uint8Array(new Uint32Array([row]).buffer);
    this.#options.map(table).update(key, value, MapUpdate.noExist);
  }

  deleteEntry(table: ValueTable, key: Uint8Array<ArrayBuffer>): void {
    this.#options.map(table).delete(key);
  }

  setHookArg(hook: number, slot: number, arg: KernelArg | undefined): void {
    this.#hooks.setU64(hook, Hook.args + slot * POLICY_ARG_SIZE, packArg(arg));
  }

  setHookReturn(hook: number, arg: KernelArg | undefined): void {
    this.#hooks.setU64(hook, Hook.returns, packArg(arg));
  }

  setHookDim(hook: number, dim: number, value: KernelDim | undefined): void {
    const at = Hook.dim + dim * POLICY_DIM_SIZE;
    this.#hooks.setU64(hook, at + Dim.bits, value?.bits ?? 0n);
    this.#hooks.setU64(hook, at + Dim.test, packDim(value));
    const key = hook * PolicyLimit.POLICY_DIMS_MAX + dim;
    if (value !== undefined && looksAtPast(value)) this.#pastDims.add(key);
    else this.#pastDims.delete(key);
  }

  setHookDims(hook: number, list: "call" | "return", dims: bigint): void {
    this.#hooks.setU64(hook, list === "call" ? Hook.callDims : Hook.returnDims, dims);
  }

  setHookFlags(hook: number, flags: number): void {
    this.#hooks.setU32(hook, Hook.flags, flags);
    if ((flags & PolicyHookFlag.POLICY_HOOK_RETURN) !== 0) this.#returning.add(hook);
    else this.#returning.delete(hook);
    if ((flags & PolicyHookFlag.POLICY_HOOK_DEFERS) !== 0) this.#deferring.add(hook);
    else this.#deferring.delete(hook);
  }

  setEffectWord(row: number, field: EffectField, word: number, bits: bigint): void {
    this.#effects.setU64(row, Effects[field] + word * WORD_SIZE, bits);
  }

  setEffect(row: number, index: number, kind: number, parameter: number): void {
    const at = Effects.effects + index * POLICY_EFFECT_SIZE;
    const place = row * PolicyLimit.POLICY_EFFECTS_MAX + index;
    if (kind === PolicyEffectKind.POLICY_EFFECT_OVERRIDE) this.#overrides.add(place);
    else this.#overrides.delete(place);
    this.#effects.setU64(row, at + Effect.kind, BigInt(kind) | BigInt(parameter) << 32n);
  }

  setEffectBits(row: number, index: number, word: number, bits: bigint): void {
    const at = Effects.effects + index * POLICY_EFFECT_SIZE;
    this.#effects.setU64(row, at + Effect.bits + word * WORD_SIZE, bits);
  }

  setSlotIndex(slot: number, index: readonly number[]): void {
    for (let i = 0; i < index.length; i += WORD_SIZE) {
      let word = 0n;
      index.slice(i, i + WORD_SIZE).forEach((value, byte) =>
        word |= BigInt(value) << BigInt(8 * byte)
      );
      this.#slots.setU64(slot, Slot.index + i, word);
    }
  }

  setSlotMask(slot: number, position: number, bits: bigint): void {
    this.#slots.setU64(slot, Slot.mask + position * WORD_SIZE, bits);
  }

  setSlotCount(slot: number, count: number): void {
    this.#slots.setU32(slot, Slot.count, count);
  }

  setMask(set: number, hook: number, slot: number): void {
    this.#masks.setU32(maskIndex(set, hook), 0, slot + 1);
  }

  deleteMask(set: number, hook: number): void {
    this.#masks.setU32(maskIndex(set, hook), 0, 0);
  }

  /** A place of policy_syscalls, see POLICY_SYSCALL_INDEX(); undefined: no hook. */
  setSyscall(index: number, hook: number | undefined): void {
    this.#syscalls.setU32(index, 0, hook === undefined ? 0 : hook + 1);
  }

  /** A process that forks or executes in this moment may keep the bit, and so may its child. */
  clearTree(bit: number): void {
    const map = this.#options.map("policy_processes");
    for (const key of map.keys()) {
      const value = map.lookup(key);
      if (value === null) continue;
      const view = new DataView(value.buffer);
      const trees = view.getBigUint64(Process.trees, true);
      if ((trees & (1n << BigInt(bit))) === 0n) continue;
      view.setBigUint64(Process.trees, trees & ~(1n << BigInt(bit)), true);
      updateIfThere(map, key, value);
    }
  }

  isDeferred(hook: number, word: number, bits: bigint): boolean {
    const map = this.#options.map("policy_deferrals");
    return hasKeptBits(map, DEFERRED_CALLS, { hook, word, bits });
  }

  async settle(): Promise<void> {
    if (await this.#options.libc.waitForGracePeriod()) return;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }

  #mapArray(name: string): MappedArray {
    const array = new MappedArray(this.#options.libc, this.#options.map(name));
    this.#open.push(array);
    return array;
  }

  [Symbol.dispose](): void {
    for (const array of this.#open.splice(0)) array[Symbol.dispose]();
  }
}

/** POLICY_MASK_INDEX(). */
function maskIndex(set: number, hook: number): number {
  return set * PolicyLimit.POLICY_HOOKS_MAX + hook;
}

function packArg(arg: KernelArg | undefined): bigint {
  if (arg === undefined) return 0n;
  const head = arg.type | arg.index << 8 | arg.sizeIndex << 16 | arg.flags << 24;
  return BigInt(head >>> 0) | BigInt(arg.sizeMax) << 32n;
}

/** All of it but `bits`. */
function packDim(dim: KernelDim | undefined): bigint {
  if (dim === undefined) return 0n;
  const head = dim.test | dim.source << 8 | dim.slot << 16 | dim.part << 24;
  return BigInt(head >>> 0) | BigInt(dim.flags) << 32n;
}

function looksAtPast({ source }: KernelDim): boolean {
  return source === PolicySource.POLICY_FROM_TREE || source === PolicySource.POLICY_FROM_BINARY;
}

/** The process may have ended meanwhile. */
function updateIfThere(
  map: BpfMap,
  key: Uint8Array<ArrayBuffer>,
  value: Uint8Array<ArrayBuffer>,
): void {
  try {
    map.update(key, value, MapUpdate.exist);
  } catch (error) {
    if (!(error instanceof LibbpfError) || error.code !== Errno.ENOENT) throw error;
  }
}
