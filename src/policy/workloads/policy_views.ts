/**
 * What is decided about each policy: which lists of selectors it has, and in which sets it loses
 * against another binding of its template.
 *
 * @module
 */
import type { Policy, PolicyMode } from "../model.ts";
import { decideBindings } from "./decide_bindings.ts";
import { ALL_WORKLOADS, SelectorLists } from "./selector_lists.ts";

/** A set with the lists that match its workloads. */
export interface SetState {
  readonly set: number;
  readonly bits: bigint;
}

interface PolicyView {
  /** Of the policy. */
  readonly list: bigint;
  /** By hook and selector. */
  readonly selectors: readonly (readonly bigint[])[];
  readonly lostIn: Set<number>;
  isDisabled: boolean;
  /** The tables do not have it yet. */
  isNew: boolean;
}

/** A policy of which another decision is due. */
export interface ChangedDecision {
  readonly policy: Policy;
  readonly lostIn: ReadonlySet<number>;
}

/** Views by policy. A policy that is decided anew is another object. */
export class PolicyViews {
  readonly lists = new SelectorLists();
  readonly #views = new Map<Policy, PolicyView>();

  /** Bits of lists that are new. Nothing is decided about the policies until `decide()`. */
  addAll(policies: readonly Policy[], disabled: ReadonlySet<Policy> = new Set()): bigint {
    let fresh = 0n;
    const take = (selectors: Policy["workloads"]) => {
      const before = this.lists.size;
      const mask = this.lists.take(selectors);
      if (this.lists.size > before) fresh |= mask;
      return mask;
    };
    for (const policy of policies) {
      const selectors = policy.hooks.map(({ selectors }) =>
        selectors.map(({ workloads }) => take(workloads))
      );
      const list = take(policy.workloads);
      const isDisabled = disabled.has(policy);
      const state = { lostIn: new Set<number>(), isDisabled, isNew: true };
      this.#views.set(policy, { list, selectors, ...state });
    }
    return fresh;
  }

  /** The same policy as a new object, with the mode that it has now. */
  renew({ policy, lostIn }: ChangedDecision, mode: PolicyMode): Policy {
    const renewed = { ...policy, mode };
    this.addAll([renewed]);
    for (const set of lostIn) this.#views.get(renewed)!.lostIn.add(set);
    return renewed;
  }

  /** The tables have them. */
  settle(policies: readonly Policy[]): void {
    for (const policy of policies) this.#views.get(policy)!.isNew = false;
  }

  /** Bits of lists that nobody has any more. */
  removeAll(policies: readonly Policy[]): bigint {
    let gone = 0n;
    for (const policy of policies) {
      const view = this.#views.get(policy);
      if (view === undefined) continue;
      this.#views.delete(policy);
      for (const mask of [view.list, ...view.selectors.flat()]) {
        if (mask !== ALL_WORKLOADS && this.lists.giveBack(mask)) gone |= mask;
      }
    }
    return gone;
  }

  concerns({ set, bits }: SetState, policy: Policy, [hook, selector]: [number, number]): boolean {
    const view = this.#views.get(policy);
    if (view === undefined || view.isDisabled || view.lostIn.has(set)) return false;
    return isIn(view.list, bits) && isIn(view.selectors[hook]![selector]!, bits);
  }

  /** Whether one of its selectors is about the set. */
  concernsAny(state: SetState, policy: Policy): boolean {
    return this.#views.get(policy)?.selectors.some((selectors, hook) =>
      selectors.some((_, selector) => this.concerns(state, policy, [hook, selector]))
    ) ?? false;
  }

  selectsAll(policy: Policy): boolean {
    const view = this.#views.get(policy);
    return view !== undefined && view.list === ALL_WORKLOADS &&
      view.selectors.flat().includes(ALL_WORKLOADS);
  }

  /** Bindings that select the workloads of a set, but for those that go. */
  rivals({ bits }: SetState, goes: readonly Policy[]): Policy[] {
    const rivals: Policy[] = [];
    for (const [policy, { list, isDisabled }] of this.#views) {
      if (policy.binding === undefined || isDisabled || goes.includes(policy)) continue;
      if (isIn(list, bits)) rivals.push(policy);
    }
    return rivals;
  }

  /** Decides for a set that nothing knows yet, about the policies that the tables have. */
  decideSet(state: SetState): void {
    const fresh = [...this.#views].flatMap(([policy, { isNew }]) => isNew ? [policy] : []);
    for (const loser of decideBindings(this.rivals(state, fresh)).losers) {
      this.#views.get(loser)!.lostIn.add(state.set);
    }
  }

  /**
   * Decides again, as if policies had gone. Those that are new keep the decision; the others are
   * given back when theirs is another now.
   */
  decide(states: readonly SetState[], goes: readonly Policy[]): ChangedDecision[] {
    const bound = [...this.#views].filter(([policy]) =>
      policy.binding !== undefined && !goes.includes(policy)
    );
    if (bound.length === 0) return [];
    const lost = new Map(bound.map(([policy]) => [policy, new Set<number>()]));
    for (const state of states) {
      for (const loser of decideBindings(this.rivals(state, goes)).losers) {
        lost.get(loser)?.add(state.set);
      }
    }
    const changed: ChangedDecision[] = [];
    for (const [policy, { lostIn, isNew }] of bound) {
      const now = lost.get(policy)!;
      if (isNew) { for (const set of now) lostIn.add(set); }
      else if (lostIn.symmetricDifference(now).size > 0) changed.push({ policy, lostIn: now });
    }
    return changed;
  }

  forgetSet(set: number): void {
    for (const { lostIn } of this.#views.values()) lostIn.delete(set);
  }
}

function isIn(mask: bigint, bits: bigint): boolean {
  return mask === ALL_WORKLOADS || (bits & mask) !== 0n;
}
