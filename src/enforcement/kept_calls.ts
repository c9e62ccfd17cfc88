/**
 * Calls under way of which the kernel has kept something for their end.
 *
 * @module
 */
import type { BpfMap } from "../../ffi/mod.ts";
import { PolicyCallOffset, PolicyDeferralOffset } from "../wire/mod.ts";

/** Where the rows of such a map have what they keep. */
export interface KeptCallOffsets {
  readonly hook: number;
  readonly count: number;
  readonly index: number;
  readonly mask: number;
}

/** Rows of `policy_calls`. */
export const KEPT_CALLS: KeptCallOffsets = PolicyCallOffset;
/** Rows of `policy_deferrals`. */
export const DEFERRED_CALLS: KeptCallOffsets = PolicyDeferralOffset;

const WORD_SIZE = 8;

/** Whether any call has any of these bits of a word of a hook. Reads the whole map. */
export function hasKeptBits(
  map: BpfMap,
  at: KeptCallOffsets,
  { hook, word, bits }: { hook: number; word: number; bits: bigint },
): boolean {
  return map.keys().some((key) => {
    const value = map.lookup(key);
    if (value === null) return false;
    const view = new DataView(value.buffer);
    if (view.getUint32(at.hook, true) !== hook) return false;
    for (let i = 0; i < view.getUint32(at.count, true); i++) {
      if (view.getUint8(at.index + i) !== word) continue;
      if ((view.getBigUint64(at.mask + WORD_SIZE * i, true) & bits) !== 0n) return true;
    }
    return false;
  });
}
