/**
 * Everything that belongs to one hook point.
 *
 * @module
 */
import type { HookPoint, Policy } from "../model.ts";
import { BitWords } from "./bit_words.ts";
import type { ValueSpace } from "./dimension_values.ts";
import { HookArguments } from "./hook_arguments.ts";
import { HookDimensions } from "./hook_dimensions.ts";
import { HookEffects } from "./hook_effects.ts";
import { HookFlag, PolicyLimit, WORD_BITS } from "./kernel_contract.ts";
import { Stage } from "./staged_stores.ts";

/** The selector that has a bit. */
export interface SelectorOwner {
  readonly policy: Policy;
  /** Position in `Policy.hooks`. */
  readonly hookIndex: number;
  /** Position in `PolicyHook.selectors`. */
  readonly selectorIndex: number;
  /** Slot of each of the hook's arguments; undefined: it is not read. */
  readonly argSlots: readonly (number | undefined)[];
}

/** Tables of one hook point. */
export class HookTables {
  readonly args: HookArguments;
  readonly dims: HookDimensions;
  readonly bits = new BitWords();
  readonly effects: HookEffects;
  /** Policies that look here; more than one hook of a policy counts once. */
  users = 0;
  readonly #space: ValueSpace;
  /** By number of the bit in the hook. Stays while a bit rests: records may still name it. */
  readonly #owners = new Map<number, SelectorOwner>();
  #flags = 0;

  constructor(space: ValueSpace, readonly id: number, readonly point: HookPoint) {
    this.#space = space;
    this.args = new HookArguments(space.stores, id);
    this.dims = new HookDimensions(space, id);
    this.effects = new HookEffects(space.stores, id);
  }

  owner(word: number, bit: number): SelectorOwner | undefined {
    return this.#owners.get(word * WORD_BITS + bit);
  }

  setOwner(word: number, bit: number, owner: SelectorOwner | undefined): void {
    if (owner === undefined) this.#owners.delete(word * WORD_BITS + bit);
    else this.#owners.set(word * WORD_BITS + bit, owner);
  }

  /** Flags follow from the effects. */
  updateFlags(): void {
    const flags = (this.effects.hasReturn ? HookFlag.RETURN : 0) |
      (this.effects.hasDefers ? HookFlag.DEFERS : 0);
    if (flags === this.#flags) return;
    this.#flags = flags;
    this.#space.stores.add(Stage.HOOKS, (writer) => writer.setHookFlags(this.id, flags));
  }

  /** Leaves nothing of it in the kernel. */
  erase(): void {
    this.#space.stores.add(Stage.DIM_LISTS, (writer) => {
      writer.setHookDims(this.id, "call", 0n);
      writer.setHookDims(this.id, "return", 0n);
    });
  }
}

/** Names a hook point. */
export function pointKey(point: HookPoint): string {
  return point.kind === "tracepoint"
    ? `tracepoint ${point.subsystem}/${point.name}`
    : `${point.kind} ${point.name}`;
}

/** The hooks in use, by point, and their numbers. */
export class HookRegistry {
  readonly #space: ValueSpace;
  readonly #hooks = new Map<string, HookTables>();
  readonly #usedIds = new Set<number>();
  #hasReused = false;
  readonly #byId: (HookTables | undefined)[] = Array.from({ length: PolicyLimit.HOOKS_MAX });

  constructor(space: ValueSpace) {
    this.#space = space;
  }

  [Symbol.iterator](): Iterator<HookTables> {
    return this.#hooks.values();
  }

  find(point: HookPoint): HookTables | undefined {
    return this.#hooks.get(pointKey(point));
  }

  byId(id: number): HookTables | undefined {
    return this.#byId[id];
  }

  /** Undefined: there are too many. */
  take(point: HookPoint): HookTables | undefined {
    let hook = this.find(point);
    if (hook === undefined) {
      const id = this.#freeId();
      if (id === undefined) return undefined;
      hook = new HookTables(this.#space, id, point);
      this.#byId[id] = hook;
      this.#hooks.set(pointKey(point), hook);
    }
    hook.users++;
    return hook;
  }

  /**
   * Whether a number was given to another hook since this was asked last. Programs that began at
   * the former may still run, so the latter must not be seen for a grace period.
   */
  hasReused(): boolean {
    const hasReused = this.#hasReused;
    this.#hasReused = false;
    return hasReused;
  }

  /** One that was never used, else any. */
  #freeId(): number | undefined {
    const ids = [...this.#byId.keys()].slice(0, PolicyLimit.TREE_HOOK)
      .filter((id) => this.#byId[id] === undefined);
    const id = ids.find((fresh) => !this.#usedIds.has(fresh)) ?? ids[0];
    if (id === undefined) return undefined;
    if (this.#usedIds.has(id)) this.#hasReused = true;
    this.#usedIds.add(id);
    return id;
  }

  /** Forgets a hook that nobody uses and whose bits have rested. */
  forgetIfUnused(hook: HookTables): void {
    if (hook.users > 0 || !hook.bits.isEmpty) return;
    hook.erase();
    this.#byId[hook.id] = undefined;
    this.#hooks.delete(pointKey(hook.point));
  }
}
