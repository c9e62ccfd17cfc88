/**
 * The policies in the kernel's tables. A policy is placed where nothing looks at it, then made seen
 * by one store per hook and set of workloads; it goes the other way round. So a call sees a policy
 * whole on its hook, or not at all.
 *
 * @module
 */
import type { HookPoint, Policy, PolicyMode } from "../model.ts";
import { type BitRun, bitsOfRun } from "./bit_words.ts";
import { HookRegistry, type HookTables, type SelectorOwner } from "./hook_tables.ts";
import { lowestBit } from "./kernel_contract.ts";
import { storeMode } from "./place_effects.ts";
import { placePolicy } from "./place_policy.ts";
import type { PlacedPolicy } from "./placed_policy.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import { type ProcessTree, ProcessTrees } from "./process_trees.ts";
import type { SipSecret } from "./sip_hash.ts";
import { Stage, StagedStores } from "./staged_stores.ts";
import { TableRows } from "./table_rows.ts";
import type { TableWriter } from "./table_writer.ts";
import { type Concerns, type SeenChange, WorkloadMasks } from "./workload_masks.ts";

export interface PolicyTablesOptions {
  readonly writer: TableWriter;
  readonly concerns: Concerns;
  /** What the programs hash texts with. */
  readonly secret: SipSecret;
  /** Rows of policy_rows. */
  readonly rowsMax: number;
  /** Rows of policy_slots and of policy_masks. */
  readonly slotsMax: number;
  /**
   * A CPU may do loads in another order than the program has them (all but x86): a policy that
   * comes costs two grace periods.
   */
  readonly isWeaklyOrdered?: boolean;
  /** Milliseconds, for `RestingBits`. */
  readonly now: () => number;
}

/** Policies that come and go at once, as far as each hook is concerned. */
export interface PolicyChange {
  readonly add?: readonly Policy[];
  /** Names. */
  readonly remove?: readonly string[];
  /**
   * Attaches programs: the hooks have all but masks. If it throws, nothing was added or removed.
   */
  readonly beforeSeen?: () => void | Promise<void>;
}

/** A hook with policies, or with calls that may still end. */
export interface HookInUse {
  readonly id: number;
  readonly point: HookPoint;
  /** 0: its program is needed only for what is under way. */
  readonly policyCount: number;
}

/** Bits of a policy that is gone: records and calls under way may still have them. */
export interface RestingBits {
  readonly hook: number;
  readonly word: number;
  readonly bits: bigint;
  readonly sinceMs: number;
}

/** How long calls that are decided at their end may keep a policy that goes. */
const CALLS_END_MS = 200;
const LOOK_MS = 1;

interface LivePolicy extends PlacedPolicy {
  mode: PolicyMode;
  isEnabled: boolean;
}

interface RestingRun {
  readonly hook: HookTables;
  readonly run: BitRun;
  readonly sinceMs: number;
}

/** All policies of an agent. Changes are done one after the other, in the order of the calls. */
export class PolicyTables {
  readonly #options: PolicyTablesOptions;
  readonly #writer: TableWriter;
  readonly #stores = new StagedStores();
  readonly #rows: TableRows;
  readonly #registry: HookRegistry;
  readonly #trees: ProcessTrees;
  readonly #masks: WorkloadMasks;
  readonly #policies = new Map<string, LivePolicy>();
  #resting: RestingRun[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PolicyTablesOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#rows = new TableRows(this.#stores, options.rowsMax);
    const space = { rows: this.#rows, stores: this.#stores, secret: options.secret };
    this.#registry = new HookRegistry(space);
    this.#trees = new ProcessTrees(space);
    this.#masks = new WorkloadMasks(options.writer, options.concerns, options.slotsMax);
  }

  add(policy: Policy): Promise<void> {
    return this.change({ add: [policy] });
  }

  remove(name: string): Promise<void> {
    return this.change({ remove: [name] });
  }

  /** At no instant is neither seen, or both, on one hook. */
  replace(name: string, policy: Policy): Promise<void> {
    return this.change({ remove: [name], add: [policy] });
  }

  /**
   * Rejects with `PolicyRefusal` when something does not fit, and then nothing has changed. It is
   * seen before the promise resolves: then also what was removed has left no trace but its resting
   * bits.
   */
  change(change: PolicyChange): Promise<void> {
    return this.#inTurn(() => this.#change(change));
  }

  /** Names that are unknown are a mistake of the caller. */
  setMode(name: string, mode: PolicyMode): Promise<void> {
    return this.#inTurn(() => {
      const live = this.#find(name);
      live.mode = mode;
      for (const where of live.hooks) storeMode(where, mode === "enforce");
      this.#stores.flush(this.#writer);
    });
  }

  /** A policy that is not enabled stays in the tables, and nothing looks at it. */
  setEnabled(name: string, isEnabled: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const live = this.#find(name);
      if (live.isEnabled === isEnabled) return;
      const change = isEnabled ? { on: [live], off: [] } : { on: [], off: [live] };
      this.#checkSlots(name, change);
      live.isEnabled = isEnabled;
      await this.#masks.giveBack(this.#masks.apply(change));
    });
  }

  /** A new set of workloads, complete when this resolves. False: there are too few slots. */
  addSet(set: number): Promise<boolean> {
    return this.#inTurn(() => this.#masks.addSet(set, this.#enabled()));
  }

  /** No workload is in the set any more. */
  removeSet(set: number): Promise<void> {
    return this.#inTurn(() => this.#masks.giveBack(this.#masks.removeSet(set, this.#enabled())));
  }

  policies(): Policy[] {
    return [...this.#policies.values()].map(({ policy }) => policy);
  }

  /** Undefined: there is no such policy. */
  modeOf(name: string): PolicyMode | undefined {
    return this.#policies.get(name)?.mode;
  }

  hooks(): HookInUse[] {
    return [...this.#registry].map(({ id, point, users }) => ({ id, point, policyCount: users }));
  }

  hookOf(point: HookPoint): number | undefined {
    return this.#registry.find(point)?.id;
  }

  trees(): ProcessTree[] {
    return [...this.#trees];
  }

  /** The selectors of a word of a record, in the order of their bits. */
  owners(hook: number, word: number, bits: bigint): SelectorOwner[] {
    const tables = this.#registry.byId(hook);
    const owners: SelectorOwner[] = [];
    for (let left = bits; left !== 0n; left &= left - 1n) {
      const owner = tables?.owner(word, lowestBit(left));
      if (owner !== undefined) owners.push(owner);
    }
    return owners;
  }

  /** How full the tables are. */
  usage(): { readonly rows: number; readonly slots: number; readonly restingBits: number } {
    const restingBits = this.#resting.reduce((sum, { run }) => sum + run.size, 0);
    return { rows: this.#rows.usedCount, slots: this.#masks.usedSlots, restingBits };
  }

  /** Frees bits of removed policies that no call under way and no unread record has. */
  reclaim(isForgotten: (resting: RestingBits) => boolean): void {
    const stays: RestingRun[] = [];
    for (const resting of this.#resting) {
      const { hook, run, sinceMs } = resting;
      const bits = bitsOfRun(run);
      if (isForgotten({ hook: hook.id, word: run.word, bits, sinceMs })) this.#freeRun(hook, run);
      else stays.push(resting);
    }
    this.#resting = stays;
    this.#stores.flush(this.#writer);
  }

  async #change({ add = [], remove = [], beforeSeen }: PolicyChange): Promise<void> {
    const goes = remove.map((name) => this.#find(name));
    const comes = this.#placeAll(add, goes);
    try {
      await this.#prepare(comes);
      await beforeSeen?.();
    } catch (error) {
      // Of the stores some may be missing; those that undo them do not mind.
      this.#stores.discard();
      await this.#takeBack(comes, false);
      throw error;
    }
    const hasReused = this.#registry.hasReused();
    if (hasReused || (comes.length > 0 && this.#options.isWeaklyOrdered)) {
      await this.#writer.settle();
    }
    const freed = this.#masks.apply({ on: comes, off: goes.filter(({ isEnabled }) => isEnabled) });
    for (const { policy } of goes) this.#policies.delete(policy.name);
    for (const live of comes) this.#policies.set(live.policy.name, live);
    await this.#masks.giveBack(freed);
    if (goes.length === 0) return;
    if (freed.length === 0) await this.#writer.settle();
    await this.#waitForCalls(goes);
    await this.#takeBack(goes, true);
  }

  /**
   * Calls that are decided at their end are decided by the policies they began under. Most end at
   * once; none begins any more.
   */
  async #waitForCalls(goes: readonly LivePolicy[]): Promise<void> {
    const until = performance.now() + CALLS_END_MS;
    while (goes.some((live) => this.#isDeferred(live)) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  #isDeferred({ runs }: LivePolicy): boolean {
    return runs.some(({ hook, run }) =>
      hook.effects.hasDefers && this.#writer.isDeferred(hook.id, run.word, bitsOfRun(run))
    );
  }

  /** Stores everything about policies but what makes them seen. */
  async #prepare(comes: readonly LivePolicy[]): Promise<void> {
    if (comes.length > 0 && this.#options.isWeaklyOrdered) {
      this.#stores.flush(this.#writer, Stage.EFFECTS);
      await this.#writer.settle();
    }
    this.#stores.flush(this.#writer);
    // Trees come before those who look at them; none goes before these are gone.
    this.#masks.setTrees(this.#trees.bits);
  }

  /** @throws the caller names a policy that is not there. */
  #find(name: string): LivePolicy {
    const live = this.#policies.get(name);
    if (live === undefined) throw new RangeError(`No policy "${name}" is in the tables`);
    return live;
  }

  #placeAll(policies: readonly Policy[], goes: readonly LivePolicy[]): LivePolicy[] {
    const placed: LivePolicy[] = [];
    try {
      for (const policy of policies) {
        const { name, mode } = policy;
        const known = this.#policies.get(name);
        const isKnown = (known !== undefined && !goes.includes(known)) ||
          placed.some((other) => other.policy.name === name);
        if (isKnown) {
          const hint = "give it another name, or replace the other one";
          throw new PolicyRefusal(name, "there is a policy of this name", hint, policy.place);
        }
        const parts = { hooks: [], runs: [], ends: [], deferredEnds: [], releases: [] };
        const live = { policy, mode, isEnabled: true, ...parts };
        placed.push(live);
        placePolicy({
          registry: this.#registry,
          trees: this.#trees,
          wordCost: (of, indexes, hook) =>
            this.#masks.wordCost(of, indexes, hook, wordsOf(goes, hook)),
        }, live);
      }
      const off = goes.filter(({ isEnabled }) => isEnabled);
      this.#checkSlots(policies[0]?.name ?? "", { on: placed, off });
      return placed;
    } catch (error) {
      // Nothing of it was stored, so nothing has to wait.
      for (const live of placed.reverse()) this.#release(live, false).forEach((forget) => forget());
      this.#stores.discard();
      throw error;
    }
  }

  /** Gives back what policies took that are not seen (any more). */
  async #takeBack(policies: readonly LivePolicy[], wereSeen: boolean): Promise<void> {
    if (policies.length === 0) return;
    const ends = wereSeen ? policies.flatMap((live) => this.#endsOf(live)) : [];
    if (ends.length > 0) {
      // Calls under way have bits of it for as long as they like, and would find less and less.
      for (const end of ends) end();
      this.#stores.flush(this.#writer);
      await this.#writer.settle();
    }
    const forgets = policies.toReversed().flatMap((live) => this.#release(live, wereSeen));
    const slots = this.#masks.setTrees(this.#trees.bits);
    this.#stores.flush(this.#writer);
    await this.#writer.settle();
    this.#masks.reuse(slots);
    for (const forget of forgets) forget();
    this.#stores.flush(this.#writer);
  }

  /** Calls that have not ended by now find nothing of it. */
  #endsOf(live: LivePolicy): (() => void)[] {
    return this.#isDeferred(live) ? [...live.ends, ...live.deferredEnds] : live.ends;
  }

  #release(live: LivePolicy, wasSeen: boolean): (() => void)[] {
    const forgets = live.releases.toReversed().map((release) => release())
      .filter((forget) => forget !== undefined);
    const sinceMs = this.#options.now();
    for (const { hook, run } of live.runs) {
      if (wasSeen) this.#resting.push({ hook, run, sinceMs });
      else forgets.push(() => this.#freeRun(hook, run));
    }
    return forgets;
  }

  #freeRun(hook: HookTables, run: BitRun): void {
    hook.bits.giveBack(run);
    for (let i = 0; i < run.size; i++) hook.setOwner(run.word, run.first + i, undefined);
    this.#registry.forgetIfUnused(hook);
  }

  #enabled(): LivePolicy[] {
    return [...this.#policies.values()].filter(({ isEnabled }) => isEnabled);
  }

  #checkSlots(name: string, change: SeenChange): void {
    const trees = this.#masks.treesNeedSlot(this.#trees.bits) ? 1 : 0;
    const needed = this.#masks.slotsNeeded(change) + trees;
    const free = this.#masks.freeSlots;
    if (needed <= free) return;
    throw new PolicyRefusal(
      name,
      `it needs ${needed} slots of workload masks, ${free} are free`,
      "raise the number of policy slots, or select fewer different kinds of workloads",
    );
  }

  /** Changes must not meet: between their steps the tables are not what the next one expects. */
  #inTurn<Result>(run: () => Result | Promise<Result>): Promise<Result> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

/** Words of a hook that have bits of the policies. */
function wordsOf(policies: readonly PlacedPolicy[], hook: HookTables): Set<number> {
  const runs = policies.flatMap(({ runs }) => runs).filter((run) => run.hook === hook);
  return new Set(runs.map(({ run }) => run.word));
}
