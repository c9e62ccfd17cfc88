/**
 * Records of matches for tests.
 *
 * @module
 */
import type { PolicyHit } from "../../src/events/mod.ts";

/** A call on hook 0 that the selector of bit 0 matches, changed by `fields`. */
export function policyHit(fields: Partial<PolicyHit> = {}): PolicyHit {
  const tgid = fields.tgid ?? 60;
  return {
    ...{ type: "policy_hit", timeNs: 1_000n, cpu: 0, tgid, tid: tgid, namespaceTgid: tgid },
    leaderStartNs: 900_000_000n,
    cgroup: { id: 7n, trackingId: 7n, level: 1, hierarchy: 0 },
    ...{ hook: 0, phase: "call", words: [{ index: 0, bits: 1n }], args: [] },
    ...{ isSilent: false, expectsReturn: false, isDeferred: false, returnValue: 0n },
    ...{ uid: 0, gid: 0, euid: 0, egid: 0, capEffective: 0n },
    ...fields,
  };
}
