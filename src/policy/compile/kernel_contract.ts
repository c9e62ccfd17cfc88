/**
 * Numbers of `bpf/policy/policy.h` that tables are made of.
 *
 * @module
 */

/** `enum policy_limit`, as far as tables are concerned. */
export const PolicyLimit = {
  HOOKS_MAX: 128,
  /** Numbers of dimensions per hook; `NO_DIM` is never one. */
  DIMS_MAX: 16,
  NO_DIM: 15,
  WORDS_MAX: 16,
  ARGS_MAX: 5,
  EFFECTS_MAX: 8,
  TEXT_SIZE_MAX: 4096,
  PREFIX_SIZE_MAX: 252,
  POSTFIX_SIZE_MAX: 124,
  BASE_ROW: 1,
  VALUE_ROW: 2049,
} as const;

/** Bits of a word. */
export const WORD_BITS = 64;

/** Bits of the value of policy_trees. */
export const TREES_MAX = 64;

/** `enum policy_arg_type`. */
export const ArgType = {
  NONE: 0,
  S8: 1,
  U8: 2,
  S16: 3,
  U16: 4,
  S32: 5,
  U32: 6,
  U64: 7,
  STRING: 8,
  BUFFER: 9,
  FD: 10,
  FILE: 11,
  PATH: 12,
  BINPRM: 13,
  SOCK: 14,
  SOCKADDR: 15,
  CRED: 16,
  CAPABILITY: 17,
} as const;

/** `enum policy_arg_flag`. */
export const ArgFlag = { USER: 1 } as const;

/** `size_index` of an argument without one. */
export const NO_SIZE_INDEX = 255;

/** `enum policy_source`. */
export const Source = {
  ARG: 1,
  RETURN: 2,
  TGID: 3,
  NAMESPACE_TGID: 4,
  TREE: 5,
  BINARY: 6,
  NAMESPACE: 8,
  CAPABILITIES: 9,
} as const;

/** `enum policy_part`, by the model's names. */
export const PART = {
  value: 0,
  source_address: 1,
  destination_address: 2,
  source_port: 3,
  destination_port: 4,
  protocol: 5,
  family: 6,
  state: 7,
} as const;

/** `part` of a namespace: the order of `bpf/process/process.h`. */
export const NAMESPACE_PART = {
  uts: 0,
  ipc: 1,
  mnt: 2,
  pid: 3,
  pid_for_children: 4,
  net: 5,
  time: 6,
  time_for_children: 7,
  cgroup: 8,
  user: 9,
} as const;

/** `part` of a set of capabilities. */
export const CAPABILITY_PART = { effective: 0, inheritable: 1, permitted: 2 } as const;

/** `enum policy_test`. */
export const TestNumber = {
  TEXT: 1,
  PREFIX: 2,
  POSTFIX: 3,
  NUMBER: 4,
  RANGE: 5,
  BITS: 6,
  NETWORK: 7,
} as const;

/** `enum policy_dim_flag`. */
export const DimFlag = { SIGNED: 1, RESOLVED_ONLY: 2 } as const;

/** `enum policy_hook_flag`. */
export const HookFlag = { RETURN: 1 } as const;

/** `enum policy_effect_kind`. */
export const EffectKind = { NONE: 0, SIGNAL: 1, OVERRIDE: 2 } as const;

/** `enum policy_phase`. */
export const Phase = { AT_CALL: 0, AT_RETURN: 1 } as const;
export type Phase = typeof Phase[keyof typeof Phase];

/** POLICY_DIM_ID() of the header. */
export function dimId(hook: number, dim: number): number {
  return hook * PolicyLimit.DIMS_MAX + dim;
}

/** Row of the base of a dimension. */
export function baseRow(hook: number, dim: number): number {
  return PolicyLimit.BASE_ROW + dimId(hook, dim);
}

/** A word with one bit set. */
export function bitOf(bit: number): bigint {
  return 1n << BigInt(bit);
}

/** Number of the lowest set bit of a word that is not 0. */
export function lowestBit(word: bigint): number {
  const low = Number(word & 0xffff_ffffn);
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = Number(word >> 32n);
  return 63 - Math.clz32(high & -high);
}
