/**
 * What would come of adding policies, in words.
 *
 * @module
 */
import type { Workload } from "../../events/mod.ts";
import { estimateMemory } from "../compile/memory_estimate.ts";
import { pointText } from "../guarantee.ts";
import type { PolicyRecord } from "../hits/policy_record.ts";
import type { KernelAbilities } from "../kernel_abilities.ts";
import type { HookPoint, Policy } from "../model.ts";
import { policyNotes } from "../notes/policy_notes.ts";
import type { PolicyPlan } from "../policy_service.ts";
import { complaintAt } from "./policy_library.ts";
import { conflictText, decideBindings } from "../workloads/decide_bindings.ts";
import { WorkloadMatcher, type WorkloadSubject } from "../workloads/match_workload.ts";

/** What a plan is made of. */
export interface PlanParts {
  /** Policies that would come. */
  readonly records: readonly PolicyRecord[];
  /** Those that would stay. */
  readonly others: readonly Policy[];
  /** What runs on the host. */
  readonly subjects: Iterable<WorkloadSubject>;
  isHooked(point: HookPoint): boolean;
  readonly abilities: KernelAbilities;
}

/** Names per policy. */
const NAMES_MAX = 1_000;
const CONFLICTS_MAX = 100;

/** Changes nothing. */
export function planPolicies(parts: PlanParts): PolicyPlan {
  const { records, others, subjects, isHooked, abilities } = parts;
  const points = new Map<string, HookPoint>();
  for (const { policy } of records) {
    for (const { point } of policy.hooks) points.set(pointText(point), point);
  }
  const matchers = new Map(
    [...others, ...records.map(({ policy }) => policy)].map((policy) => [
      policy,
      new WorkloadMatcher(policy.workloads),
    ]),
  );
  const names = new Map(records.map(({ policy }) => [policy, new Set<string>()]));
  const conflicts = new Set<string>();
  for (const subject of subjects) {
    const matching = [...matchers].flatMap(([policy, matcher]) =>
      matcher.match(subject) === "matched" ? [policy] : []
    );
    const words = workloadWords(subject.workload);
    for (const policy of matching) {
      const known = names.get(policy);
      if (known !== undefined && known.size < NAMES_MAX) known.add(words);
    }
    for (const conflict of decideBindings(matching).conflicts) {
      if (conflicts.size < CONFLICTS_MAX) conflicts.add(conflictText(conflict, words));
    }
  }
  return {
    policies: records.map((record) => {
      const { policy } = record;
      const isForAll = policy.workloads.length === 0;
      return record.status(isForAll ? null : names.get(policy)!.size);
    }),
    hooks: [...points].map(([hook, point]) => ({ hook, isNew: !isHooked(point) })),
    kernelSize: records.reduce((sum, { policy }) => sum + estimateMemory(policy).total, 0),
    workloads: records.filter(({ policy }) => policy.workloads.length > 0)
      .map(({ policy, key }) => ({ policy: key, names: [...names.get(policy)!].sort() })),
    conflicts: [...conflicts],
    notes: records.flatMap(({ policy }) =>
      policyNotes(policy, abilities).map(({ place, text, hint }) =>
        complaintAt(place, { text, hint })
      )
    ),
  };
}

function workloadWords({ kind, name }: Workload): string {
  return kind === "host" ? "host" : `${kind} ${name}`;
}
