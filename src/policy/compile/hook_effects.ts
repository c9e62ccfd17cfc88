/**
 * policy_effects of one hook: what the selectors that match do, at the call and at its end.
 *
 * @module
 */
import { EffectKind, Phase, PolicyLimit } from "./kernel_contract.ts";
import { Stage, type StagedStores } from "./staged_stores.ts";
import type { EffectField } from "./table_writer.ts";

/** A signal or an error. */
export interface Effect {
  readonly kind: number;
  readonly parameter: number;
}

interface UsedEffect extends Effect {
  readonly bits: BigUint64Array;
}

interface PhaseRow {
  readonly fields: Record<EffectField, BigUint64Array>;
  readonly effects: (UsedEffect | undefined)[];
}

/** Row of policy_effects. */
export function effectRow(hook: number, phase: Phase): number {
  return hook * 2 + phase;
}

/** Effects of one hook. */
export class HookEffects {
  readonly #stores: StagedStores;
  readonly #hook: number;
  readonly #phases: readonly [PhaseRow, PhaseRow] = [emptyRow(), emptyRow()];

  constructor(stores: StagedStores, hook: number) {
    this.#stores = stores;
    this.#hook = hook;
  }

  /** Whether something is done or told at the end of calls. */
  get hasReturn(): boolean {
    const { singles, guards } = this.#phases[Phase.AT_RETURN].fields;
    return [singles, guards].some((words) => words.some((bits) => bits !== 0n));
  }

  /** Whether selectors look at memory of the caller. */
  get hasDefers(): boolean {
    return this.#phases[Phase.AT_CALL].fields.defers.some((bits) => bits !== 0n);
  }

  setBits(phase: Phase, field: EffectField, word: number, bits: bigint): void {
    this.#setField(phase, field, word, this.#phases[phase].fields[field][word]! | bits);
  }

  clearBits(phase: Phase, field: EffectField, word: number, bits: bigint): void {
    this.#setField(phase, field, word, this.#phases[phase].fields[field][word]! & ~bits);
  }

  /** A selector asks for an effect. False: the hook has as many different ones as it can have. */
  ask(phase: Phase, effect: Effect, word: number, bit: bigint): boolean {
    const index = this.#find(phase, effect) ?? this.#enter(phase, effect);
    if (index === undefined) return false;
    this.#setEffectBits(phase, index, word, bit, true);
    return true;
  }

  /** It does not any more, and no call has its bit. */
  unask(phase: Phase, effect: Effect, word: number, bit: bigint): void {
    const index = this.#find(phase, effect)!;
    this.#setEffectBits(phase, index, word, bit, false);
    const { effects } = this.#phases[phase];
    if (effects[index]!.bits.some((bits) => bits !== 0n)) return;
    effects[index] = undefined;
    this.#storeEffect(phase, index, { kind: EffectKind.NONE, parameter: 0 });
  }

  #find(phase: Phase, { kind, parameter }: Effect): number | undefined {
    const index = this.#phases[phase].effects.findIndex((used) =>
      used?.kind === kind && used.parameter === parameter
    );
    return index < 0 ? undefined : index;
  }

  /** Overrides come before signals: they grow towards each other. */
  #enter(phase: Phase, { kind, parameter }: Effect): number | undefined {
    const { effects } = this.#phases[phase];
    const isFree = (used: UsedEffect | undefined) => used === undefined;
    const index = kind === EffectKind.OVERRIDE
      ? effects.findIndex(isFree)
      : effects.findLastIndex(isFree);
    if (index < 0) return undefined;
    // A freed place may lie behind the other kind.
    const isMisplaced = effects.some((used, i) =>
      used !== undefined && used.kind !== kind && (i < index) === (kind === EffectKind.OVERRIDE)
    );
    if (isMisplaced) return undefined;
    effects[index] = { kind, parameter, bits: new BigUint64Array(PolicyLimit.WORDS_MAX) };
    this.#storeEffect(phase, index, { kind, parameter });
    return index;
  }

  #setField(phase: Phase, field: EffectField, word: number, bits: bigint): void {
    const words = this.#phases[phase].fields[field];
    if (words[word] === bits) return;
    words[word] = bits;
    const row = effectRow(this.#hook, phase);
    const stage = field === "starts" ? Stage.STARTS : Stage.EFFECTS;
    this.#stores.add(stage, (writer) => writer.setEffectWord(row, field, word, bits));
  }

  #storeEffect(phase: Phase, index: number, { kind, parameter }: Effect): void {
    const row = effectRow(this.#hook, phase);
    this.#stores.add(Stage.EFFECTS, (writer) => writer.setEffect(row, index, kind, parameter));
  }

  #setEffectBits(phase: Phase, index: number, word: number, bit: bigint, isSet: boolean): void {
    const words = this.#phases[phase].effects[index]!.bits;
    const bits = isSet ? words[word]! | bit : words[word]! & ~bit;
    words[word] = bits;
    const row = effectRow(this.#hook, phase);
    this.#stores.add(
      Stage.EFFECTS,
      (writer) => writer.setEffectBits(row, index, word, bits),
    );
  }
}

function emptyRow(): PhaseRow {
  const words = () => new BigUint64Array(PolicyLimit.WORDS_MAX);
  return {
    fields: {
      ...{ singles: words(), starts: words(), guards: words(), post: words() },
      ...{ enforce: words(), waits: words(), returns: words() },
      ...{ defers: words(), closes: words() },
    },
    effects: Array.from({ length: PolicyLimit.EFFECTS_MAX }),
  };
}
