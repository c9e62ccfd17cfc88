/**
 * Which of several bindings of one template holds where they select the same workload.
 *
 * @module
 */
import type { Policy } from "../model.ts";

/** Bindings of one template that select one workload, of which none holds. */
export interface BindingConflict {
  readonly template: string;
  /** Policies, in the order they were given. */
  readonly policies: readonly Policy[];
}

/** What is decided about the policies that select a workload. */
export interface BindingDecision {
  /** Those that do not hold. */
  readonly losers: ReadonlySet<Policy>;
  readonly conflicts: readonly BindingConflict[];
}

const NOTHING: BindingDecision = { losers: new Set(), conflicts: [] };

/** `policies`: those that select the workload. */
export function decideBindings(policies: Iterable<Policy>): BindingDecision {
  const byTemplate = new Map<string, Policy[]>();
  for (const policy of policies) {
    const template = policy.binding?.template;
    if (template === undefined) continue;
    const rivals = byTemplate.get(template);
    if (rivals === undefined) byTemplate.set(template, [policy]);
    else rivals.push(policy);
  }
  if ([...byTemplate.values()].every(({ length }) => length === 1)) return NOTHING;
  const losers = new Set<Policy>();
  const conflicts: BindingConflict[] = [];
  for (const [template, rivals] of byTemplate) {
    if (rivals.length === 1) continue;
    const winner = winnerOf(rivals);
    if (winner === undefined) conflicts.push({ template, policies: rivals });
    for (const policy of rivals) if (policy !== winner) losers.add(policy);
  }
  return { losers, conflicts };
}

/** All must allow it, and one must have the highest priority alone. */
function winnerOf(rivals: readonly Policy[]): Policy | undefined {
  if (rivals.some(({ binding }) => !binding!.overrideAllowed)) return undefined;
  const highest = Math.max(...rivals.map(({ binding }) => binding!.overridePriority));
  const first = rivals.filter(({ binding }) => binding!.overridePriority === highest);
  return first.length === 1 ? first[0] : undefined;
}

/** `bindings "a" and "b" of template "t" select container web, and not all allow it`. */
export function conflictText({ template, policies }: BindingConflict, workload: string): string {
  const names = policies.map(({ name }) => `"${name}"`);
  const allow = policies.every(({ binding }) => binding!.overrideAllowed);
  const why = allow ? "their priorities are equal" : "not all of them have overrideAllowed";
  const last = names.pop();
  return `bindings ${names.join(", ")} and ${last} of template "${template}" select ` +
    `${workload}, and ${why}`;
}
