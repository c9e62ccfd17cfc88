/**
 * The program of a hook, word for word, over tables in memory. It follows `bpf/policy/policy.h` and
 * nothing else: it knows no policies.
 *
 * @module
 */
import {
  ArgFlag,
  ArgType,
  DimFlag,
  dimId,
  EffectKind,
  HookFlag,
  lowestBit,
  Phase,
  PolicyLimit,
  Source,
  TestNumber,
} from "../compile/kernel_contract.ts";
import type { SipSecret } from "../compile/sip_hash.ts";
import { numberKey, TABLE_OF_TEST, textKey } from "../compile/table_keys.ts";
import type { KernelDim } from "../compile/table_writer.ts";
import type { MemoryEffects, MemoryHook, MemoryTables } from "./memory_tables.ts";
import type { CallProcess, CallValue, PolicyCall } from "./policy_call.ts";
import { valueOf } from "./value_of_call.ts";

/** What the kernel knows beside the call. */
export interface CallContext {
  readonly tables: MemoryTables;
  readonly secret: SipSecret;
  /** Set of the caller's workload. */
  readonly set: number;
  readonly hook: number;
  /** What the caller has in policy_trees. */
  readonly trees: bigint;
}

/** Selectors of a word that act in a phase. */
export interface WordHit {
  readonly index: number;
  /** First of their policies. */
  readonly first: bigint;
  readonly post: bigint;
  readonly enforce: bigint;
  /** In the order of the table, with the bits of `first` that ask. */
  readonly effects: readonly { kind: number; parameter: number; bits: bigint }[];
}

/** What a call does. */
export interface SimulatedHits {
  readonly atCall: readonly WordHit[];
  readonly atEnd: readonly WordHit[];
}

/** What the program at the call does, and keeps. */
interface CallResult {
  readonly hits: WordHit[];
  readonly saved: SavedWords;
}

/** Words that are looked at: which, and the bits that are left. */
interface Words {
  readonly index: number[];
  readonly bits: bigint[];
}

/** What a call keeps for its end. */
export interface SavedWords {
  readonly index: readonly number[];
  readonly bits: readonly bigint[];
}

/** The program of one phase: it stops wherever others may store something before it goes on. */
export type Program<Result> = Generator<void, Result, void>;

const ALL = 2n ** 64n - 1n;
const NO_WORDS: SavedWords = { index: [], bits: [] };

/** Runs the program at the call and at its end. */
export function simulateCall(context: CallContext, call: PolicyCall): SimulatedHits {
  const { hits, saved, deferred } = finish(runCall(context, call));
  const later = finish(runDeferred(context, call, deferred));
  const ends = [saved, later.saved].filter(({ bits }) => bits.some((word) => word !== 0n));
  return {
    atCall: [...hits, ...later.hits],
    atEnd: ends.flatMap((words) => finish(runEnd(context, call, words))),
  };
}

/** Lets a program run to its end. */
export function finish<Result>(program: Program<Result>): Result {
  for (;;) {
    const { done, value } = program.next();
    if (done === true) return value;
  }
}

/** The program at the call. */
export function* runCall(
  context: CallContext,
  call: PolicyCall,
): Program<CallResult & { deferred: SavedWords }> {
  const { tables, hook: id } = context;
  const slot = tables.slotOf(context.set, id);
  yield;
  if (slot === undefined) return { hits: [], saved: NO_WORDS, deferred: NO_WORDS };
  const words: Words = { index: [], bits: [] };
  const count = slot.count;
  for (let i = 0; i < count; i++) {
    words.index.push(slot.index[i]!);
    yield;
    words.bits.push(slot.mask[i]!);
    yield;
  }
  const hook = tables.hooks.get(id)!;
  const isMissing = (dim: KernelDim) => looksAtMissing(dim, hook, call);
  const looksAt = (dim: KernelDim) => !isMissing(dim);
  yield* andDimensions(context, call, { hook, list: hook.callDims, words, looksAt });
  const deferred = hook.dims.some((dim) => dim !== undefined && isMissing(dim))
    ? defer(words, tables.effects.get(id * 2 + Phase.AT_CALL))
    : NO_WORDS;
  return { ...yield* conclude(context, words), deferred };
}

/** The program at the end of a call, for what was deferred: what the call would have done. */
export function* runDeferred(
  context: CallContext,
  call: PolicyCall,
  { index, bits }: SavedWords,
): Program<CallResult> {
  const hook = context.tables.hooks.get(context.hook);
  if (hook === undefined || index.length === 0) return { hits: [], saved: NO_WORDS };
  const words = { index: [...index], bits: [...bits] };
  const looksAt = (dim: KernelDim) => looksAtMissing(dim, hook, call);
  yield* andDimensions(context, call, { hook, list: hook.callDims, words, looksAt });
  return yield* conclude(context, words);
}

/** policy_defer(): takes the selectors that look at memory out of `words`. */
function defer({ index, bits }: Words, row: MemoryEffects | undefined): SavedWords {
  const deferred = bits.map((word, i) => word & (row?.defers[index[i]!] ?? 0n));
  deferred.forEach((word, i) => bits[i]! &= ~word);
  return { index: [...index], bits: deferred };
}

const MEMORY_TYPES: ReadonlySet<number> = new Set([
  ...[ArgType.STRING, ArgType.BUFFER, ArgType.SOCKADDR],
]);

function looksAtMissing(dim: KernelDim, hook: MemoryHook, { missing = [] }: PolicyCall): boolean {
  const arg = hook.args[dim.slot];
  return dim.source === Source.ARG && arg !== undefined && missing.includes(arg.index) &&
    MEMORY_TYPES.has(arg.type) && (arg.flags & ArgFlag.USER) !== 0;
}

/** policy_conclude() */
function* conclude({ tables, hook: id }: CallContext, words: Words): Program<CallResult> {
  const flags = tables.hooks.get(id)!.flags;
  const row = tables.effects.get(id * 2 + Phase.AT_CALL);
  yield;
  if (row === undefined) return { hits: [], saved: NO_WORDS };
  const { index } = words;
  const first = yield* firstMatches(words, row);
  yield;
  const hits = actOn({ index, bits: first }, row);
  if ((flags & HookFlag.RETURN) === 0) return { hits, saved: NO_WORDS };
  const bits = words.bits.map((bits, i) =>
    (bits & row.waits[index[i]!]!) | (first[i]! & row.returns[index[i]!]!)
  );
  return { hits, saved: { index, bits } };
}

/** The program at the end of a call. */
export function* runEnd(
  context: CallContext,
  call: PolicyCall,
  { index, bits }: SavedWords,
): Program<WordHit[]> {
  const { tables, hook: id } = context;
  const hook = tables.hooks.get(id);
  const words = { index: [...index], bits: [...bits] };
  if (hook === undefined) return [];
  yield* andDimensions(context, call, { hook, list: hook.returnDims, words });
  const row = tables.effects.get(id * 2 + Phase.AT_RETURN);
  yield;
  if (row === undefined) return [];
  const first = yield* firstMatches(words, row);
  yield;
  return actOn({ index: words.index, bits: first }, row);
}

/** The program at exec: the trees that a process enters. */
export function simulateExec(
  context: Pick<CallContext, "tables" | "secret">,
  process: CallProcess,
): bigint {
  const hook = context.tables.hooks.get(PolicyLimit.TREE_HOOK);
  const slot = context.tables.slotOf(0, PolicyLimit.TREE_HOOK);
  if (hook === undefined || slot === undefined) return 0n;
  const words: Words = { index: [0], bits: [slot.mask[slot.index.indexOf(0)]!] };
  const point = { kind: "raw_tracepoint", name: "sched_process_exec" } as const;
  const call = { point, process, args: [], returned: 0n };
  const whole = { ...context, set: 0, hook: PolicyLimit.TREE_HOOK, trees: 0n };
  finish(andDimensions(whole, call, { hook, list: hook.callDims, words }));
  return words.bits[0]!;
}

/** The formula of `struct policy_effects`; starts are loaded before guards. */
function* firstMatches({ index, bits }: SavedWords, row: MemoryEffects): Program<bigint[]> {
  const first: bigint[] = [];
  for (const [i, v] of bits.entries()) {
    const word = index[i]!;
    const starts = row.starts[word]!;
    yield;
    const guards = row.guards[word]!;
    yield;
    const singles = row.singles[word]!;
    const u = v | guards;
    const carried = ((~u & ALL) + starts) & ALL;
    first.push((carried & u & ~guards & ~singles & ALL) | (v & singles));
  }
  return first;
}

function actOn({ index, bits }: SavedWords, row: MemoryEffects): WordHit[] {
  return index.map((word, i) => ({
    index: word,
    first: bits[i]!,
    post: bits[i]! & row.post[word]!,
    enforce: bits[i]! & row.enforce[word]!,
    effects: row.effects
      .filter(({ kind }) => kind !== EffectKind.NONE)
      .map((effect) => ({ ...effect, bits: bits[i]! & effect.bits[word]! }))
      .filter((effect) => effect.bits !== 0n),
  })).filter(({ first }) => first !== 0n);
}

function* andDimensions(
  context: CallContext,
  call: PolicyCall,
  { hook, list, words, looksAt = () => true }: {
    readonly hook: MemoryHook;
    readonly list: bigint;
    readonly words: Words;
    /** Other dimensions leave all selectors. */
    readonly looksAt?: (dim: KernelDim) => boolean;
  },
): Program<void> {
  for (let i = 0; i < PolicyLimit.NO_DIM; i++) {
    yield;
    const number = Number((list >> BigInt(4 * i)) & 15n);
    if (number === PolicyLimit.NO_DIM) return;
    const dim = hook.dims[number]!;
    if (!looksAt(dim)) continue;
    const id = dimId(context.hook, number);
    const rows = rowsOf(context, call, { hook, dim, id });
    yield;
    for (let at = 0; at < words.index.length; at++) {
      const word = words.index[at]!;
      let listed = 0n;
      for (const row of rows) listed |= rowWord(context, row, word);
      words.bits[at]! &= rowWord(context, PolicyLimit.BASE_ROW + id, word) ^ listed;
    }
    if (words.bits.every((bits) => bits === 0n)) return;
  }
}

function rowWord({ tables }: CallContext, row: number, word: number): bigint {
  return row === 0 ? 0n : tables.rows.get(row)?.[word] ?? 0n;
}

/** Rows of the values of a dimension; they are ORed. */
function rowsOf(
  context: CallContext,
  call: PolicyCall,
  { hook, dim, id }: { hook: MemoryHook; dim: KernelDim; id: number },
): number[] {
  const value = valueOf(context.trees, call, hook, dim);
  const rows = [lookUp(context, dim, id, value)].flat();
  if (dim.source === Source.BINARY && (dim.flags & DimFlag.RESOLVED_ONLY) === 0) {
    rows.push(...[lookUp(context, dim, id, call.process.givenName)].flat());
  }
  return rows;
}

function lookUp(
  { tables, secret }: CallContext,
  dim: KernelDim,
  id: number,
  value: CallValue,
): number | number[] {
  const table = TABLE_OF_TEST[dim.test]!;
  if (value instanceof Uint8Array) {
    if (dim.test !== TestNumber.TEXT) {
      const bytes = comparedBytes(dim.test, value);
      return bytes === undefined ? 0 : tables.lookUpLongest(id, bytes);
    }
    const isCut = value.length > PolicyLimit.TEXT_SIZE_MAX;
    return isCut ? 0 : tables.lookUp(table, textKey(secret, id, value));
  }
  if (typeof value !== "bigint") return 0;
  switch (dim.test) {
    case TestNumber.NUMBER:
      return tables.lookUp(table, numberKey(id, value));
    case TestNumber.RANGE: {
      const bytes = new Uint8Array(8);
      const isSigned = (dim.flags & DimFlag.SIGNED) !== 0;
      new DataView(bytes.buffer).setBigUint64(0, isSigned ? value ^ 1n << 63n : value);
      return tables.lookUpLongest(id, bytes);
    }
    case TestNumber.BITS: {
      const rows: number[] = [];
      for (let left = value & dim.bits; left !== 0n; left &= left - 1n) {
        rows.push(tables.lookUp(table, numberKey(id, BigInt(lowestBit(left)))));
      }
      return rows;
    }
    default:
      return 0;
  }
}

/** Bytes as an LPM map compares them; undefined: nobody can have listed them. */
function comparedBytes(test: number, bytes: Uint8Array): Uint8Array | undefined {
  switch (test) {
    case TestNumber.PREFIX:
      if (bytes.length <= PolicyLimit.PREFIX_SIZE_MAX) return bytes;
      return bytes.subarray(0, PolicyLimit.PREFIX_SIZE_MAX);
    case TestNumber.POSTFIX:
      if (bytes.length > PolicyLimit.TEXT_SIZE_MAX) return undefined;
      return bytes.subarray(-PolicyLimit.POSTFIX_SIZE_MAX).toReversed();
    default:
      return bytes;
  }
}
