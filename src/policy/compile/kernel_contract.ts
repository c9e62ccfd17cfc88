/**
 * Numbers of `bpf/policy/policy.h` that tables are made of, by short names.
 *
 * @module
 */

import {
  PolicyArgFlag,
  PolicyArgType,
  PolicyDimFlag,
  PolicyEffectKind,
  PolicyHookFlag,
  PolicyLimit as Limit,
  PolicyPart,
  PolicyPhase,
  PolicySource,
  PolicyTest,
} from "../../wire/mod.ts";

/** `enum policy_limit`, as far as tables are concerned. */
export const PolicyLimit = {
  /** The last number is that of the trees. */
  HOOKS_MAX: Limit.POLICY_HOOKS_MAX,
  TREE_HOOK: Limit.POLICY_TREE_HOOK,
  TREES_MAX: Limit.POLICY_TREES_MAX,
  /** Numbers of dimensions per hook; `NO_DIM` is never one. */
  DIMS_MAX: Limit.POLICY_DIMS_MAX,
  NO_DIM: Limit.POLICY_NO_DIM,
  WORDS_MAX: Limit.POLICY_WORDS_MAX,
  ARGS_MAX: Limit.POLICY_ARGS_MAX,
  EFFECTS_MAX: Limit.POLICY_EFFECTS_MAX,
  TEXT_SIZE_MAX: Limit.POLICY_TEXT_SIZE_MAX,
  PREFIX_SIZE_MAX: Limit.POLICY_PREFIX_SIZE_MAX,
  POSTFIX_SIZE_MAX: Limit.POLICY_POSTFIX_SIZE_MAX,
  BASE_ROW: Limit.POLICY_BASE_ROW,
  VALUE_ROW: Limit.POLICY_VALUE_ROW,
} as const;

/** Bits of a word. */
export const WORD_BITS = 64;

/** `enum policy_arg_type`. */
export const ArgType = {
  NONE: PolicyArgType.POLICY_ARG_NONE,
  S8: PolicyArgType.POLICY_ARG_S8,
  U8: PolicyArgType.POLICY_ARG_U8,
  S16: PolicyArgType.POLICY_ARG_S16,
  U16: PolicyArgType.POLICY_ARG_U16,
  S32: PolicyArgType.POLICY_ARG_S32,
  U32: PolicyArgType.POLICY_ARG_U32,
  U64: PolicyArgType.POLICY_ARG_64,
  STRING: PolicyArgType.POLICY_ARG_STRING,
  BUFFER: PolicyArgType.POLICY_ARG_BUFFER,
  FD: PolicyArgType.POLICY_ARG_FD,
  FILE: PolicyArgType.POLICY_ARG_FILE,
  PATH: PolicyArgType.POLICY_ARG_PATH,
  BINPRM: PolicyArgType.POLICY_ARG_BINPRM,
  SOCK: PolicyArgType.POLICY_ARG_SOCK,
  SOCKADDR: PolicyArgType.POLICY_ARG_SOCKADDR,
  CRED: PolicyArgType.POLICY_ARG_CRED,
  CAPABILITY: PolicyArgType.POLICY_ARG_CAPABILITY,
} as const;

/** `enum policy_arg_flag`. */
export const ArgFlag = {
  USER: PolicyArgFlag.POLICY_ARG_USER,
  DISCONNECTS: PolicyArgFlag.POLICY_ARG_DISCONNECTS,
  OF_SOCKET: PolicyArgFlag.POLICY_ARG_OF_SOCKET,
} as const;

/** `size_index` of an argument without one. */
export const NO_SIZE_INDEX = 255;

/** `enum policy_source`. */
export const Source = {
  ARG: PolicySource.POLICY_FROM_ARG,
  RETURN: PolicySource.POLICY_FROM_RETURN,
  TGID: PolicySource.POLICY_FROM_TGID,
  NAMESPACE_TGID: PolicySource.POLICY_FROM_NAMESPACE_TGID,
  TREE: PolicySource.POLICY_FROM_TREE,
  BINARY: PolicySource.POLICY_FROM_BINARY,
  NAMESPACE: PolicySource.POLICY_FROM_NAMESPACE,
  CAPABILITIES: PolicySource.POLICY_FROM_CAPABILITIES,
} as const;

/** `enum policy_part`, by the model's names. */
export const PART = {
  value: PolicyPart.POLICY_PART_VALUE,
  source_address: PolicyPart.POLICY_PART_SOURCE_ADDRESS,
  destination_address: PolicyPart.POLICY_PART_DESTINATION_ADDRESS,
  source_port: PolicyPart.POLICY_PART_SOURCE_PORT,
  destination_port: PolicyPart.POLICY_PART_DESTINATION_PORT,
  protocol: PolicyPart.POLICY_PART_PROTOCOL,
  family: PolicyPart.POLICY_PART_FAMILY,
  state: PolicyPart.POLICY_PART_STATE,
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
  TEXT: PolicyTest.POLICY_TEST_TEXT,
  PREFIX: PolicyTest.POLICY_TEST_PREFIX,
  POSTFIX: PolicyTest.POLICY_TEST_POSTFIX,
  NUMBER: PolicyTest.POLICY_TEST_NUMBER,
  RANGE: PolicyTest.POLICY_TEST_RANGE,
  BITS: PolicyTest.POLICY_TEST_BITS,
  NETWORK: PolicyTest.POLICY_TEST_NETWORK,
} as const;

/** `enum policy_dim_flag`. */
export const DimFlag = {
  SIGNED: PolicyDimFlag.POLICY_DIM_SIGNED,
  RESOLVED_ONLY: PolicyDimFlag.POLICY_DIM_RESOLVED_ONLY,
} as const;

/** `enum policy_hook_flag`. */
export const HookFlag = {
  RETURN: PolicyHookFlag.POLICY_HOOK_RETURN,
  DEFERS: PolicyHookFlag.POLICY_HOOK_DEFERS,
} as const;

/** `enum policy_effect_kind`. */
export const EffectKind = {
  NONE: PolicyEffectKind.POLICY_EFFECT_NONE,
  SIGNAL: PolicyEffectKind.POLICY_EFFECT_SIGNAL,
  OVERRIDE: PolicyEffectKind.POLICY_EFFECT_OVERRIDE,
} as const;

/** `enum policy_phase`. */
export const Phase = {
  AT_CALL: PolicyPhase.POLICY_AT_CALL,
  AT_RETURN: PolicyPhase.POLICY_AT_RETURN,
} as const;
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
