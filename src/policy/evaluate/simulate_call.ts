/**
 * The program of a hook, word for word, over tables in memory. It follows `bpf/policy/policy.h` and
 * nothing else: it knows no policies.
 *
 * @module
 */
import {
  ArgType,
  DimFlag,
  dimId,
  EffectKind,
  HookFlag,
  lowestBit,
  NAMESPACE_PART,
  NO_SIZE_INDEX,
  PART,
  Phase,
  PolicyLimit,
  Source,
  TestNumber,
} from "../compile/kernel_contract.ts";
import type { SipSecret } from "../compile/sip_hash.ts";
import { numberKey, TABLE_OF_TEST, textKey } from "../compile/table_keys.ts";
import type { KernelArg, KernelDim } from "../compile/table_writer.ts";
import type { MemoryEffects, MemoryHook, MemoryTables } from "./memory_tables.ts";
import type { CallProcess, CallSocket, CallValue, PolicyCall } from "./policy_call.ts";

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
  const { hits, saved } = finish(runCall(context, call));
  const atEnd = saved.bits.every((bits) => bits === 0n) ? [] : finish(runEnd(context, call, saved));
  return { atCall: hits, atEnd };
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
): Program<{ hits: WordHit[]; saved: SavedWords }> {
  const { tables, hook: id } = context;
  const slot = tables.slotOf(context.set, id);
  yield;
  if (slot === undefined) return { hits: [], saved: NO_WORDS };
  const words: Words = { index: [], bits: [] };
  const count = slot.count;
  for (let i = 0; i < count; i++) {
    words.index.push(slot.index[i]!);
    yield;
    words.bits.push(slot.mask[i]!);
    yield;
  }
  const hook = tables.hooks.get(id)!;
  const flags = hook.flags;
  yield* andDimensions(context, call, { hook, list: hook.callDims, words });
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
  { hook, list, words }: { hook: MemoryHook; list: bigint; words: Words },
): Program<void> {
  for (let i = 0; i < PolicyLimit.NO_DIM; i++) {
    yield;
    const number = Number((list >> BigInt(4 * i)) & 15n);
    if (number === PolicyLimit.NO_DIM) return;
    const dim = hook.dims[number]!;
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
  const value = valueOf(context, call, hook, dim);
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

const CAPABILITY_SETS = ["effective", "inheritable", "permitted"] as const;
const NAMESPACES = Object.keys(NAMESPACE_PART) as (keyof typeof NAMESPACE_PART)[];

function valueOf(
  { trees }: CallContext,
  call: PolicyCall,
  hook: MemoryHook,
  dim: KernelDim,
): CallValue {
  const { process } = call;
  switch (dim.source) {
    case Source.ARG:
      return readPart(readArgument(hook.args[dim.slot]!, call), dim.part);
    case Source.RETURN:
      return extend(call.returned, hook.returns!.type);
    case Source.TGID:
      return BigInt(process.tgid);
    case Source.NAMESPACE_TGID:
      return BigInt(process.namespaceTgid);
    case Source.TREE:
      return trees;
    case Source.BINARY:
      return process.binary;
    case Source.NAMESPACE:
      return BigInt(process.namespaces[NAMESPACES[dim.part]!]);
    default:
      return process.capabilities[CAPABILITY_SETS[dim.part]!];
  }
}

function readArgument({ type, index, sizeIndex, sizeMax }: KernelArg, call: PolicyCall): CallValue {
  const value = call.args[index];
  if (typeof value === "bigint") return extend(value, type);
  if (type !== ArgType.BUFFER || !(value instanceof Uint8Array)) return value;
  const size = sizeIndex === NO_SIZE_INDEX ? sizeMax : Number(call.args[sizeIndex]);
  return value.subarray(0, Math.min(size, sizeMax));
}

const WIDTHS: Readonly<Record<number, number>> = {
  ...{ [ArgType.S8]: 8, [ArgType.U8]: 8, [ArgType.S16]: 16, [ArgType.U16]: 16 },
  ...{ [ArgType.S32]: 32, [ArgType.U32]: 32, [ArgType.CAPABILITY]: 32 },
};
const SIGNED_TYPES: ReadonlySet<number> = new Set([ArgType.S8, ArgType.S16, ArgType.S32]);

/** A register as the 64 bits that are compared. */
function extend(value: bigint, type: number): bigint {
  const width = WIDTHS[type] ?? 64;
  const isSigned = SIGNED_TYPES.has(type) || type === ArgType.CAPABILITY;
  return BigInt.asUintN(64, isSigned ? BigInt.asIntN(width, value) : BigInt.asUintN(width, value));
}

function readPart(value: CallValue, part: number): CallValue {
  if (part === PART.value) return value;
  if (value === undefined || typeof value === "bigint" || value instanceof Uint8Array) {
    return undefined;
  }
  switch (part) {
    case PART.source_address:
      return hasAddress(value) ? value.sourceAddress : undefined;
    case PART.destination_address:
      return hasAddress(value) ? value.destinationAddress : undefined;
    case PART.source_port:
      return BigInt(value.sourcePort);
    case PART.destination_port:
      return BigInt(value.destinationPort);
    case PART.protocol:
      return BigInt(value.protocol);
    case PART.family:
      return BigInt(value.family);
    default:
      return BigInt(value.state);
  }
}

const [AF_INET, AF_INET6] = [2, 10];

function hasAddress({ family }: CallSocket): boolean {
  return family === AF_INET || family === AF_INET6;
}
