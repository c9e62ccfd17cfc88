/**
 * Sets of cgroups that the same policies concern. The kernel has the number of its set beside each
 * cgroup, so what a policy costs does not depend on how many workloads it selects.
 *
 * What concerns a set is decided when the set or the policy comes, and stays: the tables rely on
 * it. So a new policy first splits sets of which it selects a part; and a policy that wins or loses
 * against another binding of its template is replaced by itself, in the same step.
 *
 * @module
 */
import type { Counter, Counters } from "../../telemetry/mod.ts";
import { PolicyRefusal } from "../compile/policy_refusal.ts";
import type { Policy, PolicyMode } from "../model.ts";
import { type BindingConflict, conflictText, decideBindings } from "./decide_bindings.ts";
import type { WorkloadSubject } from "./match_workload.ts";
import { PolicyViews } from "./policy_views.ts";
import { type SetCgroup, SetIndex, type WorkloadSet } from "./set_index.ts";

/** What sets are made with. */
export interface WorkloadSetsOptions {
  /** Complete when it resolves. False: there is no room. */
  addSet(set: number): Promise<boolean>;
  removeSet(set: number): Promise<void>;
  /** Tells the kernel which set a cgroup is in. */
  assign(cgroup: SetCgroup, set: number): void;
  /** It may have changed since the policy came. */
  modeOf(policy: Policy): PolicyMode;
  /** Sets that cgroups of the kernel's map are in; asked seldom. */
  setsInKernel(): ReadonlySet<number>;
  readonly counters: Counters;
  /** Sets at most; their numbers are lower. */
  readonly setsMax: number;
}

/** Policies that come and go in one step. */
export interface PolicyStep {
  readonly comes: readonly Policy[];
  readonly goes: readonly Policy[];
  /** Those of `comes` that concern nothing. */
  readonly disabled?: ReadonlySet<Policy>;
}

/** What the tables are to be told; see `stage()`. */
export interface StagedPolicies {
  readonly add: readonly Policy[];
  /** Names. */
  readonly remove: readonly string[];
  /** Policies that are replaced by themselves, because a binding wins or loses now. */
  readonly renewed: ReadonlyMap<Policy, Policy>;
}

/** The kernel may hand on a set that nothing is in any more to a cgroup that is just being made. */
const REST_MS = 10_000;
/** The kernel's map is read whole for it. */
const LOOK_EVERY_MS = 60_000;

/** All sets. Changes must not meet: `stage()` to `conclude()` is one step of whoever calls. */
export class WorkloadSets {
  readonly #options: WorkloadSetsOptions;
  readonly #views = new PolicyViews();
  readonly #index: SetIndex;
  /** What cgroups have that nothing selects, and those that the kernel's map lacks. */
  readonly #zero: WorkloadSet;
  readonly #places = new Map<bigint, { readonly cgroup: SetCgroup; set: WorkloadSet }>();
  /** Cgroups that changed while sets were split, or whose set is being made. */
  readonly #waiting = new Map<bigint, SetCgroup>();
  readonly #refused: Counter;
  #isSplitting = false;
  #nowMs = 0;
  #lookedMs = -Infinity;

  constructor(options: WorkloadSetsOptions) {
    this.#options = options;
    this.#index = new SetIndex(options.setsMax);
    this.#zero = this.#index.zero;
    const { counters } = options;
    this.#refused = counters.counter(
      "shrike_policy_sets_refused_total",
      "Cgroups that stay in the set of their parent because there are too many different ones",
    );
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    gauge(
      "shrike_policy_sets",
      "Sets of workloads that the same policies concern",
      () => this.#index.size,
    );
    gauge("shrike_policy_set_cgroups", "Cgroups whose set is known", () => this.#places.size);
    gauge(
      "shrike_policy_sets_waiting",
      "Cgroups that wait for their set",
      () => this.#waiting.size,
    );
  }

  /** For `PolicyTables`. */
  concerns(set: number, policy: Policy, hookIndex: number, selectorIndex: number): boolean {
    const bits = this.#index.byNumber(set)?.bits;
    return bits !== undefined && this.#views.concerns({ set, bits }, policy, [
      hookIndex,
      selectorIndex,
    ]);
  }

  /** Whether any policy asks for workloads; if not, cgroups need not be told. */
  get isAsking(): boolean {
    return this.#views.lists.size > 0;
  }

  /** A cgroup that was there while nothing asked; before the first policy that asks. */
  enter(cgroup: SetCgroup): void {
    this.#zero.members.set(cgroup.id, cgroup);
    this.#places.set(cgroup.id, { cgroup, set: this.#zero });
  }

  /** A cgroup is there, or something is known better of it. What waits is for `settle()`. */
  update(cgroup: SetCgroup): "assigned" | "unchanged" | "waiting" {
    if (this.#isSplitting) {
      this.#waiting.set(cgroup.id, cgroup);
      return "waiting";
    }
    const bits = this.#views.lists.match(cgroup.subject);
    const set = this.#index.find(bits);
    if (set?.isReady !== true) {
      this.#waiting.set(cgroup.id, cgroup);
      return "waiting";
    }
    this.#waiting.delete(cgroup.id);
    return this.#put(cgroup, set) ? "assigned" : "unchanged";
  }

  /** The set that a cgroup is in; undefined when that is not known. */
  numberOf(id: bigint): number | undefined {
    return this.#places.get(id)?.set.number;
  }

  /** The set that a cgroup should be in, if there is one. */
  wouldBe({ subject }: SetCgroup): number | undefined {
    return this.#index.find(this.#views.lists.match(subject))?.number;
  }

  /** It is gone, or another one has its id. */
  forget(id: bigint): void {
    this.#waiting.delete(id);
    this.#places.get(id)?.set.members.delete(id);
    this.#places.delete(id);
  }

  /** Whether `settle()` has something to do. */
  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Makes the sets that cgroups wait for. */
  async settle(): Promise<void> {
    for (const [id, cgroup] of [...this.#waiting]) {
      if (this.#waiting.get(id) !== cgroup) continue;
      const bits = this.#views.lists.match(cgroup.subject);
      if (
        this.#index.find(bits) === undefined &&
        await this.#addSet(bits, cgroup.subject) === undefined
      ) {
        this.#waiting.delete(id);
        this.#refused.value += 1;
        continue;
      }
      // It may have changed meanwhile, or be gone.
      const latest = this.#waiting.get(id);
      if (latest !== undefined) this.update(latest);
    }
  }

  /**
   * Prepares for policies that come and go. The tables are to be changed as told, and then comes
   * `conclude()`, or `discard()` when that failed.
   *
   * @throws {PolicyRefusal} there is no room for the sets, or bindings conflict; nothing has
   * changed but that sets may be smaller
   */
  async stage({ comes, goes, disabled }: PolicyStep): Promise<StagedPolicies> {
    const wanted = this.#views.addAll(comes, disabled);
    try {
      if (wanted !== 0n) await this.#split(wanted, comes[0]!);
      this.#refuseConflicts(comes, goes);
    } catch (error) {
      this.#drop(comes);
      throw error;
    }
    const changed = this.#views.decide(this.#states(), goes);
    const renewed = new Map(
      changed.map((decision) => {
        const { policy } = decision;
        return [policy, this.#views.renew(decision, this.#options.modeOf(policy))];
      }),
    );
    return {
      add: [...comes, ...renewed.values()],
      remove: [...goes, ...renewed.keys()].map(({ name }) => name),
      renewed,
    };
  }

  /** The tables have what `stage()` told. */
  conclude({ add, renewed }: StagedPolicies, goes: readonly Policy[]): void {
    this.#views.settle(add);
    this.#drop([...goes, ...renewed.keys()]);
  }

  /** The tables are as they were. */
  discard({ add }: StagedPolicies): void {
    this.#drop(add);
  }

  /** Bindings that conflict on workloads now, in words, each once. */
  conflicts(): string[] {
    const texts = [...this.#index].flatMap((set) =>
      this.#conflictsIn(set, []).map((conflict) => conflictText(conflict, sampleWords(set)))
    );
    return [...new Set(texts)];
  }

  /** Ids of the workloads that a policy concerns; undefined: it selects none, so all. */
  workloadsOf(policy: Policy): ReadonlySet<string> | undefined {
    if (this.#views.selectsAll(policy)) return undefined;
    const ids = new Set<string>();
    for (const set of this.#index) {
      const { number, bits } = set;
      if (!this.#views.concernsAny({ set: number, bits }, policy)) continue;
      for (const { subject } of set.members.values()) ids.add(subject.workload.id);
    }
    return ids;
  }

  /** Lets go of sets that have been empty for long; `nowMs` counts while records are read. */
  async tick(nowMs: number): Promise<void> {
    this.#nowMs = nowMs;
    const rested: WorkloadSet[] = [];
    for (const set of this.#index) {
      if (set.members.size > 0 || set === this.#zero) set.emptySinceMs = nowMs;
      else if (nowMs - set.emptySinceMs >= REST_MS) rested.push(set);
    }
    if (rested.length === 0 || nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    const used = this.#options.setsInKernel();
    for (const set of rested) {
      if (used.has(set.number) || set.members.size > 0) continue;
      this.#index.hide(set);
      await this.#options.removeSet(set.number);
      this.#index.remove(set);
      this.#views.forgetSet(set.number);
    }
  }

  #put(cgroup: SetCgroup, set: WorkloadSet): boolean {
    const before = this.#places.get(cgroup.id);
    set.members.set(cgroup.id, cgroup);
    this.#places.set(cgroup.id, { cgroup, set });
    const isSame = before?.set === set && before.cgroup.createdNs === cgroup.createdNs;
    if (isSame) return false;
    if (before?.set !== set) before?.set.members.delete(cgroup.id);
    this.#options.assign(cgroup, set.number);
    return true;
  }

  async #addSet(bits: bigint, sample: WorkloadSubject): Promise<WorkloadSet | undefined> {
    const set = this.#index.add(bits, sample, this.#nowMs);
    if (set === undefined) return undefined;
    this.#views.decideSet({ set: set.number, bits });
    if (await this.#options.addSet(set.number)) {
      set.isReady = true;
      return set;
    }
    this.#index.remove(set);
    this.#views.forgetSet(set.number);
    return undefined;
  }

  /** Sets of which new lists match a part become several; those they match whole get their bits. */
  async #split(wanted: bigint, policy: Policy): Promise<void> {
    this.#isSplitting = true;
    try {
      for (const set of [...this.#index]) await this.#splitOne(set, wanted, policy);
    } finally {
      this.#isSplitting = false;
      for (const cgroup of [...this.#waiting.values()]) this.update(cgroup);
    }
  }

  async #splitOne(set: WorkloadSet, wanted: bigint, policy: Policy): Promise<void> {
    const { lists } = this.#views;
    const groups = Map.groupBy(
      set.members.values(),
      ({ subject }) => lists.match(subject, wanted),
    );
    // Of an empty set its sample says what it would be.
    const own = set === this.#zero ? 0n : largest(groups) ?? lists.match(set.sample!, wanted);
    const before = set.bits;
    this.#index.addBits(set, own);
    for (const [bits, cgroups] of groups) {
      if (bits === own) continue;
      const target = this.#index.find(before | bits) ??
        await this.#addSet(before | bits, cgroups[0]!.subject);
      if (target === undefined) {
        throw new PolicyRefusal(
          policy.name,
          "there are too many workloads that differ in which policies concern them",
          "raise the number of policy slots, or select fewer different kinds of workloads",
          policy.place,
        );
      }
      for (const cgroup of cgroups) if (set.members.has(cgroup.id)) this.#put(cgroup, target);
    }
  }

  #refuseConflicts(comes: readonly Policy[], goes: readonly Policy[]): void {
    for (const set of this.#index) {
      if (set.members.size === 0 && set !== this.#zero) continue;
      for (const conflict of this.#conflictsIn(set, goes)) {
        const newcomer = conflict.policies.find((policy) => comes.includes(policy));
        if (newcomer === undefined) continue;
        throw new PolicyRefusal(
          newcomer.name,
          conflictText(conflict, sampleWords(set)),
          "give all of them overrideAllowed and different priorities, or select other workloads",
          newcomer.place,
        );
      }
    }
  }

  #conflictsIn({ number, bits }: WorkloadSet, goes: readonly Policy[]): readonly BindingConflict[] {
    return decideBindings(this.#views.rivals({ set: number, bits }, goes)).conflicts;
  }

  #states(): { readonly set: number; readonly bits: bigint }[] {
    return [...this.#index].map(({ number, bits }) => ({ set: number, bits }));
  }

  /** Sets that differ only in lists that nobody has any more become one. */
  #drop(policies: readonly Policy[]): void {
    const gone = this.#views.removeAll(policies);
    if (gone === 0n) return;
    for (const [set, other] of this.#index.clearBits(gone)) {
      for (const cgroup of [...set.members.values()]) this.#put(cgroup, other);
    }
    if (this.isAsking) return;
    // All are in set 0, and nobody tells what becomes of them any more.
    this.#places.clear();
    this.#zero.members.clear();
  }
}

/** The key of the group with the most members. */
function largest(groups: ReadonlyMap<bigint, readonly SetCgroup[]>): bigint | undefined {
  let best: bigint | undefined;
  for (const [bits, { length }] of groups) {
    if (best === undefined || length > groups.get(best)!.length) best = bits;
  }
  return best;
}

/** A workload of a set, for people. */
function sampleWords({ members, sample, number }: WorkloadSet): string {
  const [first] = members.values();
  const workload = first?.subject.workload ?? sample?.workload;
  if (workload === undefined || number === 0) return "the host";
  return `${workload.kind} ${workload.name}`;
}
