/**
 * A policy of a running agent, with what has become of it.
 *
 * @module
 */
import { estimateMemory } from "../compile/memory_estimate.ts";
import type { Guarantee, Policy, PolicyHook, PolicyMode } from "../model.ts";
import type { PolicyHits, PolicyState, PolicyStatus, RuleStatus } from "../policy_service.ts";
import { pointText, policyGuarantee, type PolicyOutlook } from "../guarantee.ts";
import { actionWords, selectorWord } from "../policy_words.ts";

/** What a record begins with. */
export interface PolicyRecordInit {
  /** Names it among all; of a policy of a namespace NAMESPACE/NAME. */
  readonly key: string;
  readonly policy: Policy;
  readonly mode: PolicyMode;
  readonly source: string;
  /** Of its document. */
  readonly text: string;
  readonly isPersistent: boolean;
  /** Of `policy` on this kernel; without obstacles. */
  readonly outlook: Pick<PolicyOutlook, "rules" | "leftOut">;
}

interface ModeSpan {
  readonly mode: PolicyMode;
  readonly sinceNs: bigint;
}

/** Changes that are remembered; who switches more often within a second learns the last ones. */
const MODES_MAX = 8;

/** A policy with its state. */
export class PolicyRecord {
  readonly key: string;
  /** As the tables have it: its name is the key, and hooks that this kernel lacks are left out. */
  policy: Policy;
  /** As its document has it. */
  readonly name: string;
  readonly source: string;
  readonly text: string;
  readonly isPersistent: boolean;
  readonly guarantee: Guarantee;
  /** All selectors, those of hooks that are left out too. */
  readonly #rules: readonly RuleStatus[];
  /** By hook and selector of `policy`. */
  readonly #guarantees: readonly (readonly Guarantee[])[];
  readonly hits: { -readonly [Field in keyof PolicyHits]: PolicyHits[Field] } = {
    ...{ post: 0, signal: 0, override: 0, monitored: 0 },
  };
  readonly #kernelSize: number;
  /** Oldest first; the last one is now. */
  readonly #modes: ModeSpan[];
  state: PolicyState = "enabled";

  constructor(init: PolicyRecordInit) {
    const { key, policy, mode, source, text, isPersistent, outlook } = init;
    const missing = outlook.leftOut.map(({ hook }) => hook);
    const isThere = (hook: PolicyHook) => !missing.includes(hook);
    this.key = key;
    this.policy = { ...policy, name: key, mode, hooks: policy.hooks.filter(isThere) };
    this.name = policy.name;
    this.#modes = [{ mode, sinceNs: 0n }];
    this.source = source;
    this.text = text;
    this.isPersistent = isPersistent;
    this.#kernelSize = estimateMemory(this.policy).total;
    this.guarantee = policyGuarantee(policy, outlook);
    this.#guarantees = outlook.rules.filter((_, i) => isThere(policy.hooks[i]!))
      .map((rules) => rules.map(({ guarantee }) => guarantee));
    this.#rules = policy.hooks.flatMap((hook, i) =>
      hook.selectors.map((selector, j) => ({
        hook: pointText(hook.point),
        selector: selectorWord(hook, j),
        actions: actionWords(selector),
        ...outlook.rules[i]![j]!,
      }))
    );
  }

  guaranteeOf(hookIndex: number, selectorIndex: number): Guarantee {
    return this.#guarantees[hookIndex]![selectorIndex]!;
  }

  get mode(): PolicyMode {
    return this.#modes.at(-1)!.mode;
  }

  /** The mode is another one since that time, CLOCK_MONOTONIC ns. */
  setMode(mode: PolicyMode, sinceNs: bigint): void {
    this.#modes.push({ mode, sinceNs });
    if (this.#modes.length > MODES_MAX) this.#modes.shift();
  }

  /** The mode at that time: matches are told some milliseconds later. */
  modeAt(timeNs: bigint): PolicyMode {
    const span = this.#modes.findLast(({ sinceNs }) => sinceNs <= timeNs) ?? this.#modes[0]!;
    return span.mode;
  }

  /** `workloads`: how many it concerns; null when it selects none. */
  status(workloads: number | null): PolicyStatus {
    const { namespace, binding } = this.policy;
    return {
      name: this.name,
      ...(namespace !== undefined && { namespace }),
      ...(binding !== undefined && {
        binding: { template: binding.template, name: binding.name },
      }),
      state: this.state,
      mode: this.mode,
      guarantee: this.guarantee,
      rules: this.#rules,
      workloads,
      hits: { ...this.hits },
      kernelSize: this.#kernelSize,
      source: this.source,
      isPersistent: this.isPersistent,
    };
  }
}
