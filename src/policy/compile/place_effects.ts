/**
 * What the selectors of a policy's hook do, as words of policy_effects.
 *
 * A hook whose selectors look at what the call returns is decided at its end. Others are decided at
 * the call; the selector that acted then may act at the end again, where it is alone.
 *
 * @module
 */
import type { Action, ArgumentType, Policy, PolicyHook, Selector } from "../model.ts";
import { syscallPlaces } from "../compat_syscalls.ts";
import type { Effect } from "./hook_effects.ts";
import { bitOf, EffectKind, Phase } from "./kernel_contract.ts";
import type { PlacedHook, PlacedPolicy } from "./placed_policy.ts";
import { PolicyRefusal } from "./policy_refusal.ts";
import type { EffectField } from "./table_writer.ts";

const SIGKILL = 9;

/** What a selector does in each phase; undefined: it does not act then. */
export interface SelectorPhases {
  readonly atCall?: PhaseActions;
  readonly atEnd?: PhaseActions;
}

/** What is done in one phase. */
export interface PhaseActions {
  readonly posts: boolean;
  readonly effects: readonly Effect[];
}

/** What a selector of a hook does when. */
export function phasesOf(hook: PolicyHook, { actions, returnActions }: Selector): SelectorPhases {
  if (isDecidedAtEnd(hook)) {
    const all = [...actions, ...returnActions];
    return { atEnd: { posts: !has(all, "no_post"), effects: effectsOf(all) } };
  }
  const posts = !has(actions, "no_post");
  const atCall = { posts, effects: effectsOf(actions) };
  const tellsReturn = hook.returns !== undefined && posts;
  if (returnActions.length === 0 && !tellsReturn) return { atCall };
  const postsAtEnd = !has(returnActions, "no_post") && (posts || has(returnActions, "post"));
  return { atCall, atEnd: { posts: postsAtEnd, effects: effectsOf(returnActions) } };
}

/** Whether a hook of a policy is decided at the end of the call: it looks at what that returns. */
export function isDecidedAtEnd({ selectors }: PolicyHook): boolean {
  return selectors.some(({ conditions }) =>
    conditions.some(({ subject }) => subject.of === "return")
  );
}

/**
 * Whether a hook of a policy compares what may not be in memory when the call begins: then it is
 * decided when the call ends. Of calls behind socketcall(2) that is all arguments.
 */
export function looksAtMemory({ point, args, selectors }: PolicyHook): boolean {
  if (point.kind !== "syscall") return false;
  const { socketcalls } = syscallPlaces(point.name, "x86_64");
  return selectors.some(({ conditions }) =>
    conditions.some(({ subject }) =>
      subject.of === "argument" &&
      (socketcalls.length > 0 || MEMORY_TYPES.has(args[subject.position]!.type))
    )
  );
}

/**
 * Whether a selector acts on a call that cannot be decided, because the memory that it looks at
 * cannot be looked at.
 */
export function closesOn(
  { undecided }: Pick<Policy, "undecided">,
  hook: PolicyHook,
  selector: Selector,
): boolean {
  if (undecided === "pass" || !looksAtMemory(hook)) return false;
  return effectsOf([...selector.actions, ...selector.returnActions]).length > 0;
}

const MEMORY_TYPES: ReadonlySet<ArgumentType> = new Set(["string", "char_buf", "sockaddr"]);

/** Enters the effects of a hook's selectors, and how they can be taken back. */
export function placeEffects(placed: PlacedPolicy, where: PlacedHook): void {
  const { policy } = placed;
  const hook = policy.hooks[where.index]!;
  const isLate = isDecidedAtEnd(hook);
  placeGroup(placed, where, isLate ? Phase.AT_RETURN : Phase.AT_CALL);
  if (looksAtMemory(hook)) {
    const bits = (bitOf(where.selectorCount) - 1n) << BigInt(where.firstBit);
    setField(placed, where, Phase.AT_CALL, "defers", bits);
  }
  hook.selectors.forEach((selector, i) => {
    if (!closesOn(policy, hook, selector)) return;
    setField(placed, where, Phase.AT_CALL, "closes", bitOf(where.firstBit + i));
  });
  hook.selectors.forEach((selector, i) => {
    const bit = bitOf(where.firstBit + i);
    const { atCall, atEnd } = phasesOf(hook, selector);
    if (atCall !== undefined) {
      placePhase(placed, where, Phase.AT_CALL, { bit, ...atCall, selector });
    }
    if (atEnd === undefined) return;
    placePhase(placed, where, Phase.AT_RETURN, { bit, ...atEnd, selector });
    setField(placed, where, Phase.AT_CALL, isLate ? "waits" : "returns", bit);
    if (!isLate) setField(placed, where, Phase.AT_RETURN, "singles", bit);
  });
}

/** The mode of a hook's selectors, in both phases. */
export function storeMode({ hook, word, firstBit, selectorCount }: PlacedHook, enforces: boolean) {
  const bits = (bitOf(selectorCount) - 1n) << BigInt(firstBit);
  for (const phase of Object.values(Phase)) {
    if (enforces) hook.effects.setBits(phase, "enforce", word, bits);
    else hook.effects.clearBits(phase, "enforce", word, bits);
  }
}

/** Selectors of which the first acts. */
function placeGroup(placed: PlacedPolicy, where: PlacedHook, phase: Phase): void {
  const { firstBit, selectorCount } = where;
  if (selectorCount === 1) {
    setField(placed, where, phase, "singles", bitOf(firstBit));
    return;
  }
  // Without its guard, what a start adds would run on into the bits of the next policy. So the
  // guard is there before the start, and stays until no program has the start.
  const { hook: { effects }, word } = where;
  const guard = bitOf(firstBit + selectorCount);
  effects.setBits(phase, "guards", word, guard);
  placed.releases.push(() => () => effects.clearBits(phase, "guards", word, guard));
  setField(placed, where, phase, "starts", bitOf(firstBit));
}

function setField(
  { policy, releases, ends, deferredEnds }: PlacedPolicy,
  { hook: { effects }, word, index }: PlacedHook,
  phase: Phase,
  field: EffectField,
  bits: bigint,
): void {
  effects.setBits(phase, field, word, bits);
  const clear = () => effects.clearBits(phase, field, word, bits);
  releases.push(clear);
  if (field !== "singles" && field !== "starts") return;
  if (phase === Phase.AT_RETURN) ends.push(clear);
  else if (looksAtMemory(policy.hooks[index]!)) deferredEnds.push(clear);
}

function placePhase(
  placed: PlacedPolicy,
  where: PlacedHook,
  phase: Phase,
  { bit, posts, effects, selector }: PhaseActions & { bit: bigint; selector: Selector },
): void {
  const { hook, word } = where;
  if (posts) setField(placed, where, phase, "post", bit);
  for (const effect of effects) {
    if (phase === Phase.AT_RETURN && effect.kind === EffectKind.OVERRIDE) {
      throw new PolicyRefusal(
        placed.policy.name,
        "it overrides what a call returns after the call has ended",
        "override without conditions on the return value, or send a signal",
        selector.place,
      );
    }
    if (!hook.effects.ask(phase, effect, word, bit)) {
      throw new PolicyRefusal(
        placed.policy.name,
        "policies on this hook already use 8 other signals and errors",
        "use a signal or an error that another policy on this hook uses",
        selector.place,
      );
    }
    placed.releases.push(() => hook.effects.unask(phase, effect, word, bit));
  }
}

function has(actions: readonly Action[], kind: Action["kind"]): boolean {
  return actions.some((action) => action.kind === kind);
}

/** Signals and errors, each once. */
function effectsOf(actions: readonly Action[]): Effect[] {
  const effects = new Map<string, Effect>();
  for (const action of actions) {
    const effect = effectOf(action);
    if (effect !== undefined) effects.set(`${effect.kind}.${effect.parameter}`, effect);
  }
  return [...effects.values()];
}

function effectOf(action: Action): Effect | undefined {
  switch (action.kind) {
    case "sigkill":
      return { kind: EffectKind.SIGNAL, parameter: SIGKILL };
    case "signal":
      return { kind: EffectKind.SIGNAL, parameter: action.signal };
    case "override":
      return { kind: EffectKind.OVERRIDE, parameter: action.errno };
    default:
      return undefined;
  }
}
