/**
 * What programs of policies count in the kernel, as metrics.
 *
 * @module
 */
import { PolicyCount } from "../wire/mod.ts";

/** Name and help of the metric, by what is counted. */
export const KERNEL_COUNTS: Readonly<Record<number, readonly [name: string, help: string]>> = {
  [PolicyCount.POLICY_COUNT_CALLS_FULL]: [
    "shrike_policy_calls_full_total",
    "Calls whose end is not seen, because too many are under way",
  ],
  [PolicyCount.POLICY_COUNT_UNREADABLE]: [
    "shrike_policy_unreadable_total",
    "Arguments that could not be read, and so count as values nobody lists",
  ],
  [PolicyCount.POLICY_COUNT_SIGNAL_FAILED]: [
    "shrike_policy_signal_failed_total",
    "Signals that the kernel refused to send",
  ],
  [PolicyCount.POLICY_COUNT_PROCESSES_FULL]: [
    "shrike_policy_processes_full_total",
    "Processes whose past is not kept, because there are too many",
  ],
  [PolicyCount.POLICY_COUNT_NO_SLOT]: [
    "shrike_policy_no_slot_total",
    "Calls that no policy has seen, because programs interrupted each other too deeply",
  ],
  [PolicyCount.POLICY_COUNT_NOT_FAILED]: [
    "shrike_policy_not_failed_total",
    "System calls that were to fail and went on, as nobody could return the error",
  ],
  [PolicyCount.POLICY_COUNT_DEFERRED]: [
    "shrike_policy_deferred_total",
    "Calls decided at their end, because their memory was not there at their beginning",
  ],
  [PolicyCount.POLICY_COUNT_DEFERRALS_FULL]: [
    "shrike_policy_deferrals_full_total",
    "Calls decided without their memory, because too many wait for it",
  ],
  [PolicyCount.POLICY_COUNT_SHARE_FULL]: [
    "shrike_policy_shares_full_total",
    "Of those, calls of a process, user or workload that had its share of the room",
  ],
  [PolicyCount.POLICY_COUNT_CLOSED]: [
    "shrike_policy_undecided_total",
    "Calls on which policies acted because they could not be decided",
  ],
  [PolicyCount.POLICY_COUNT_UNSEEN]: [
    "shrike_policy_unseen_total",
    "Calls whose memory was not there at either end, although they did not fail for it",
  ],
};
