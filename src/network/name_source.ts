/**
 * What addresses are called, as far as those who use them have asked.
 *
 * @module
 */

/** Names by address, of each workload alone: another's answers may be lies. */
export interface NameSource {
  /**
   * Names under which a workload has asked for an address, longest known first; at most 4.
   *
   * @param nowNs CLOCK_MONOTONIC: names that are too old by then are not told
   */
  namesOf(trackingId: bigint, address: string, nowNs: bigint): readonly string[];
}
