/**
 * Policies: their language, what they become in the kernel, and what may be asked of them.
 *
 * @module
 */
export type {
  AddOptions,
  PolicyComplaint,
  PolicyHits,
  PolicyOutcome,
  PolicyPlan,
  PolicyService,
  PolicySource,
  PolicyState,
  PolicyStatus,
  RuleStatus,
} from "./policy_service.ts";
export type { Guarantee, PolicyMode } from "./model.ts";
