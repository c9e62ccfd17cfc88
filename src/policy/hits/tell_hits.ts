/**
 * Matches become events: one per policy, with what its hook and selector say of it. The end of a
 * call is joined with its beginning, so that one event has arguments and return value.
 *
 * @module
 */
import type { PolicyArgument, PolicyEvent, PolicyHit, ProcessEventBase } from "../../events/mod.ts";
import type { Counter, Counters } from "../../telemetry/mod.ts";
import type { SelectorOwner } from "../compile/hook_tables.ts";
import { closesOn, isDecidedAtEnd } from "../compile/place_effects.ts";
import { type PhaseActions, phasesOf, type SelectorPhases } from "../compile/place_effects.ts";
import { EffectKind } from "../compile/kernel_contract.ts";
import type { Action, Policy, PolicyHook, Selector } from "../model.ts";
import { eventNames, selectorWord } from "../policy_words.ts";
import type { Architecture } from "../syscalls.ts";
import { CallsUnderWay, type CallUnderWay, type MatchUnderWay } from "./calls_under_way.ts";
import type { PolicyRecord } from "./policy_record.ts";

/** What hits are told with. */
export interface HitEventsOptions {
  /** Selectors that have bits of a word of a hook. */
  owners(hook: number, word: number, bits: bigint): readonly SelectorOwner[];
  /** Undefined: the policy is gone for good. */
  recordOf(policy: Policy): PolicyRecord | undefined;
  readonly counters: Counters;
  /** This machine's, unless a test has another. */
  readonly architecture?: Architecture;
}

/** What an event about the process of a hit carries, as of now. */
type Context = (hit: PolicyHit, isLate: boolean) => ProcessEventBase;

/** What of an event follows from the selector alone. */
interface SelectorView {
  readonly hook: PolicyHook;
  readonly selector: Selector;
  readonly phases: SelectorPhases;
  readonly isLate: boolean;
  readonly names: ReturnType<typeof eventNames>;
  readonly word: string;
}

/** Makes events of hits. */
export class HitEvents {
  readonly #options: HitEventsOptions;
  readonly #architecture: Architecture;
  readonly #calls = new CallsUnderWay();
  /** Bounded by the selectors in the tables. */
  readonly #views = new WeakMap<SelectorOwner, SelectorView>();
  readonly #gone: Counter;
  readonly #endless: Counter;
  readonly #silent: Counter;

  constructor(options: HitEventsOptions) {
    this.#options = options;
    this.#architecture = options.architecture ?? Deno.build.arch;
    const { counters } = options;
    this.#gone = counters.counter(
      "shrike_policy_hits_gone_total",
      "Matches of selectors whose policy is gone",
    );
    this.#silent = counters.counter(
      "shrike_policy_hits_silent_total",
      "Matches that no policy wanted to be told of",
    );
    this.#endless = counters.counter(
      "shrike_policy_returns_missed_total",
      "Calls told without what they returned, because that took too long or was lost",
    );
    counters.gauge(
      "shrike_policy_calls_under_way",
      "Calls that policies have matched and whose end is to be told",
      {},
      () => this.#calls.size,
    );
  }

  /** What is to be told now. */
  take(hit: PolicyHit, isLate: boolean, context: Context): PolicyEvent[] {
    const owners: SelectorOwner[] = [];
    for (const { index, bits } of hit.words) {
      const found = this.#options.owners(hit.hook, index, bits);
      this.#gone.value += bitCount(bits) - found.length;
      owners.push(...found);
    }
    if (hit.isSilent) this.#silent.value += 1;
    const source = new ContextOnce(hit, isLate, context);
    return hit.phase === "call"
      ? this.#takeCall(hit, owners, source)
      : this.#takeEnd(hit, owners, source);
  }

  /** Calls that take longer than an event can wait. */
  expire(nowNs: bigint): PolicyEvent[] {
    return this.#calls.expire(nowNs).flatMap((call) => this.#tellWithoutEnd(call));
  }

  giveUp(): PolicyEvent[] {
    return this.#calls.takeAll().flatMap((call) => this.#tellWithoutEnd(call));
  }

  #takeCall(hit: PolicyHit, owners: readonly SelectorOwner[], context: ContextOnce): PolicyEvent[] {
    const isAlone = owners.length === 1;
    const events: PolicyEvent[] = [];
    const waiting: MatchUnderWay[] = [];
    for (const owner of owners) {
      const view = this.#viewOf(owner);
      const { atCall, atEnd } = view.phases;
      const record = this.#recordOf(owner);
      if (record === undefined || atCall === undefined) continue;
      count(record, atCall, { hit, isAlone });
      const waits = hit.expectsReturn && atEnd?.posts === true;
      if (!waits && !atCall.posts) continue;
      const event = makeEvent(owner, view, { hit, isAlone, record, base: context.value });
      if (waits) waiting.push({ owner, event, posts: atCall.posts });
      else events.push(event);
    }
    if (!hit.expectsReturn) return events;
    // What had to go is older.
    const gone = this.#calls.add(hit, waiting).flatMap((call) => this.#tellWithoutEnd(call));
    return [...gone, ...events];
  }

  #takeEnd(hit: PolicyHit, owners: readonly SelectorOwner[], context: ContextOnce): PolicyEvent[] {
    const call = this.#calls.take(hit);
    const rest = new Set(call?.matches);
    const whole = call === undefined ? hit : { ...hit, args: call.args };
    const isAlone = owners.length === 1;
    const events: PolicyEvent[] = [];
    for (const owner of owners) {
      const view = this.#viewOf(owner);
      const { atEnd } = view.phases;
      const record = this.#recordOf(owner);
      const match = call?.matches.find((other) => other.owner === owner);
      if (match !== undefined) rest.delete(match);
      if (record === undefined || atEnd === undefined) continue;
      count(record, view.isLate ? atEnd : { ...atEnd, posts: false }, { hit, isAlone });
      if (!atEnd.posts) continue;
      const base = context.value;
      const parts = { hit: view.isLate ? whole : hit, isAlone, record, base };
      const made = makeEvent(owner, view, parts);
      events.push(match === undefined ? made : joinEnd(match.event, made, view));
    }
    const missed = [...rest].filter(({ posts }) => posts).map(({ event }) => event);
    this.#endless.value += missed.length;
    return [...missed.map(asLate), ...events];
  }

  #tellWithoutEnd({ matches }: CallUnderWay): PolicyEvent[] {
    this.#endless.value += matches.length;
    return matches.filter(({ posts }) => posts).map(({ event }) => asLate(event));
  }

  #recordOf({ policy }: SelectorOwner): PolicyRecord | undefined {
    const record = this.#options.recordOf(policy);
    if (record === undefined) this.#gone.value += 1;
    return record;
  }

  #viewOf(owner: SelectorOwner): SelectorView {
    let view = this.#views.get(owner);
    if (view === undefined) {
      const hook = owner.policy.hooks[owner.hookIndex]!;
      const selector = hook.selectors[owner.selectorIndex]!;
      view = {
        hook,
        selector,
        phases: phasesOf(hook, selector),
        isLate: isDecidedAtEnd(hook),
        names: eventNames(hook.point, this.#architecture),
        word: selectorWord(hook, owner.selectorIndex),
      };
      this.#views.set(owner, view);
    }
    return view;
  }
}

/** Many policies may match one call: who made it is looked up once. */
class ContextOnce {
  readonly #make: () => ProcessEventBase;
  #made: ProcessEventBase | undefined;

  constructor(hit: PolicyHit, isLate: boolean, context: Context) {
    this.#make = () => context(hit, isLate);
  }

  get value(): ProcessEventBase {
    return this.#made ??= this.#make();
  }
}

interface EventParts {
  readonly hit: PolicyHit;
  /** No other policy matched. */
  readonly isAlone: boolean;
  readonly record: PolicyRecord;
  readonly base: ProcessEventBase;
}

function makeEvent(
  { policy, hookIndex, selectorIndex, argSlots }: SelectorOwner,
  { hook, selector, phases, names, word, isLate }: SelectorView,
  { hit, isAlone, record, base }: EventParts,
): PolicyEvent {
  const isEnd = hit.phase === "return";
  const actions = isEnd ? phases.atEnd! : phases.atCall!;
  const { uid, gid, euid, egid, capEffective } = hit;
  const { namespace, binding } = policy;
  const told = isEnd && !isLate
    ? { action: actionOf(selector.actions), ...returnAction(selector) }
    : {
      action: actionOf(
        isLate ? [...selector.actions, ...selector.returnActions] : selector.actions,
      ),
    };
  return {
    ...base,
    ...names,
    tid: hit.tid,
    args: argumentsOf(hook, argSlots, hit),
    ...(isEnd && hook.returns !== undefined && hook.returns.type !== "nop" && {
      returns: returned(hook, hit),
    }),
    ...told,
    ...(hook.message !== undefined && { message: hook.message }),
    tags: hook.tags,
    thread: { uid, gid, euid, egid, capEffective },
    policy: {
      name: record.name,
      ...(namespace !== undefined && { namespace }),
      selector: word,
      guarantee: record.guaranteeOf(hookIndex, selectorIndex),
      mode: record.modeAt(hit.timeNs),
      isEnforced: isEnforced(record, actions, { hit, isAlone }),
      ...(hit.undecided !== undefined && closesOn(policy, hook, selector) && {
        undecided: hit.undecided,
      }),
      ...(binding !== undefined && { binding: binding.name }),
    },
  };
}

/**
 * The call as it was, with what its end told; at the time of the end, because that is when it is
 * told.
 */
function joinEnd(call: PolicyEvent, end: PolicyEvent, { selector }: SelectorView): PolicyEvent {
  return {
    ...call,
    timeNs: end.timeNs,
    ...(end.returns !== undefined && { returns: end.returns }),
    ...returnAction(selector),
    policy: { ...call.policy, isEnforced: call.policy.isEnforced || end.policy.isEnforced },
    marks: [...new Set([...call.marks, ...end.marks])],
  };
}

/** It is behind its time. */
function asLate(event: PolicyEvent): PolicyEvent {
  return event.marks.includes("late") ? event : { ...event, marks: ["late", ...event.marks] };
}

function argumentsOf(
  { args }: PolicyHook,
  slots: readonly (number | undefined)[],
  hit: PolicyHit,
): PolicyArgument[] {
  const shown: PolicyArgument[] = [];
  args.forEach(({ type, label }, position) => {
    const slot = slots[position];
    const value = slot === undefined ? undefined : hit.args[slot];
    if (value !== undefined) shown.push({ type, value, ...(label !== undefined && { label }) });
  });
  return shown;
}

function returned({ returns }: PolicyHook, { returnValue }: PolicyHit): PolicyArgument {
  const { type, label } = returns!;
  const value = { kind: "number", value: returnValue } as const;
  return { type, value, ...(label !== undefined && { label }) };
}

/** The strongest: what was asked for most. */
function actionOf(actions: readonly Action[]): PolicyEvent["action"] {
  const has = (kind: Action["kind"]) => actions.some((action) => action.kind === kind);
  if (has("override")) return "OVERRIDE";
  if (has("sigkill")) return "SIGKILL";
  if (has("signal")) return "SIGNAL";
  return has("no_post") ? "NOPOST" : "POST";
}

function returnAction({ returnActions }: Selector): Pick<PolicyEvent, "returnAction"> {
  return returnActions.length === 0 ? {} : { returnAction: actionOf(returnActions) };
}

/**
 * Whether what the selector asks for was done. The record tells of one effect for all policies that
 * matched. Whose else it may be, and what else they ask for, was done as their mode was then.
 */
function isEnforced(
  record: PolicyRecord,
  { effects }: PhaseActions,
  { hit, isAlone }: { readonly hit: PolicyHit; readonly isAlone: boolean },
): boolean {
  const { effect, timeNs } = hit;
  if (effects.length === 0 || effect === undefined) return false;
  const kind = effect.kind === "signal" ? EffectKind.SIGNAL : EffectKind.OVERRIDE;
  const isOwn = effects.some((own) => own.kind === kind && own.parameter === effect.parameter);
  if (isOwn && (isAlone || !effect.isEnforced)) return effect.isEnforced;
  return record.modeAt(timeNs) === "enforce";
}

function count(
  record: PolicyRecord,
  actions: PhaseActions,
  deed: { readonly hit: PolicyHit; readonly isAlone: boolean },
): void {
  const { hits } = record;
  if (actions.posts) hits.post += 1;
  if (actions.effects.length === 0) return;
  if (!isEnforced(record, actions, deed)) {
    hits.monitored += 1;
    return;
  }
  if (actions.effects.some(({ kind }) => kind === EffectKind.OVERRIDE)) hits.override += 1;
  if (actions.effects.some(({ kind }) => kind === EffectKind.SIGNAL)) hits.signal += 1;
}

function bitCount(bits: bigint): number {
  let count = 0;
  for (let left = bits; left !== 0n; left &= left - 1n) count++;
  return count;
}
