/**
 * Policies as JSON: what the control socket answers and `shrike policy -o json` prints.
 *
 * @module
 */
import type { PolicyComplaint, PolicyPlan, PolicyStatus, RuleStatus } from "../policy/mod.ts";

/** Keys are those of the agent's other JSON: small letters with `_`, absent when unknown. */
export function policyJson(status: PolicyStatus): Record<string, unknown> {
  const { namespace, binding, hits, error, hint } = status;
  return {
    name: status.name,
    ...(namespace !== undefined && { namespace }),
    ...(binding !== undefined && { binding: { template: binding.template, name: binding.name } }),
    state: status.state,
    mode: status.mode,
    guarantee: status.guarantee,
    workloads: status.workloads,
    hits: {
      post: hits.post,
      signal: hits.signal,
      override: hits.override,
      monitored: hits.monitored,
    },
    kernel_size: status.kernelSize,
    source: status.source,
    persistent: status.isPersistent,
    ...(error !== undefined && { error }),
    ...(hint !== undefined && { hint }),
    rules: status.rules.map(ruleJson),
  };
}

function ruleJson({ hook, selector, actions, guarantee, by, reason }: RuleStatus) {
  return {
    ...{ hook, selector, actions, guarantee },
    ...(by !== undefined && { by }),
    ...(reason !== undefined && { reason }),
  };
}

export function complaintJson(complaint: PolicyComplaint): Record<string, unknown> {
  const { file, line, column, text, hint } = complaint;
  return { file, line, column, text, hint };
}

export function planJson(plan: PolicyPlan): Record<string, unknown> {
  return {
    policies: plan.policies.map(policyJson),
    hooks: plan.hooks.map(({ hook, isNew }) => ({ hook, new: isNew })),
    kernel_size: plan.kernelSize,
    workloads: plan.workloads.map(({ policy, names }) => ({ policy, names })),
    conflicts: plan.conflicts,
    notes: plan.notes.map(complaintJson),
  };
}
