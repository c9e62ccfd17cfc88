/**
 * Names of one address, and for how long they are good.
 *
 * @module
 */

/** Names of one address that are remembered: a front end may serve thousands. */
export const KNOWN_NAMES_MAX = 8;
/** Names that are told. */
const TOLD_NAMES_MAX = 4;

const SECOND_NS = 1_000_000_000n;
/**
 * Programs use addresses for longer than DNS allows, and answers in clusters are good for 5 s: a
 * name is remembered for at least this long.
 */
export const NAME_TTL_MIN_S = 300;
/** And no longer than this, whatever the answer says. */
export const NAME_TTL_MAX_S = 86_400;
/** A name stays good as long as its address is used so often, within `NAME_TTL_MAX_S`. */
export const NAME_LINGER_NS = 300n * SECOND_NS;

const LONGEST_NS = BigInt(NAME_TTL_MAX_S) * SECOND_NS;

interface KnownName {
  readonly name: string;
  isAsked: boolean;
  learnedNs: bigint;
  goodUntilNs: bigint;
}

/** What one workload knows of one address. */
export class AddressNames {
  /** In the order in which they were first learned. */
  readonly names: KnownName[] = [];
  /** CLOCK_MONOTONIC ns when somebody last wanted to know. */
  usedNs = 0n;
  /** Characters. */
  textSize: number;

  constructor(readonly address: string) {
    this.textSize = address.length;
  }

  get count(): number {
    return this.names.length;
  }

  /** Learns a name, or learns it again: then it keeps its place. */
  add(
    name: string,
    { isAsked, ttl, nowNs }: {
      readonly isAsked: boolean;
      readonly ttl: number;
      readonly nowNs: bigint;
    },
  ): void {
    const seconds = Math.min(Math.max(ttl, NAME_TTL_MIN_S), NAME_TTL_MAX_S);
    const goodUntilNs = nowNs + BigInt(seconds) * SECOND_NS;
    const known = this.names.find((each) => each.name === name);
    if (known === undefined) {
      this.names.push({ name, isAsked, learnedNs: nowNs, goodUntilNs });
      this.textSize += name.length;
      return;
    }
    known.isAsked ||= isAsked;
    known.learnedNs = nowNs;
    if (goodUntilNs > known.goodUntilNs) known.goodUntilNs = goodUntilNs;
  }

  /**
   * Takes an alias out, or else the name that is good for the shortest time; not the one that was
   * asked for just now.
   */
  dropWorst(): void {
    const isLastSafe = this.names.at(-1)?.isAsked === true;
    let worst = 0;
    for (let i = 1; i < this.names.length - (isLastSafe ? 1 : 0); i++) {
      if (isWorse(this.names[i]!, this.names[worst]!)) worst = i;
    }
    const [gone] = this.names.splice(worst, 1);
    this.textSize -= gone!.name.length;
  }
}

/** Names that are good at that time, those that were asked for first. */
export function goodNames(
  { names, usedNs }: Pick<AddressNames, "names" | "usedNs">,
  nowNs: bigint,
): string[] {
  const isUsed = usedNs !== 0n && nowNs < usedNs + NAME_LINGER_NS;
  const told: string[] = [];
  for (const wantsAsked of [true, false]) {
    for (const { name, isAsked, learnedNs, goodUntilNs } of names) {
      if (isAsked !== wantsAsked || told.length === TOLD_NAMES_MAX) continue;
      if (nowNs < goodUntilNs || isUsed && nowNs < learnedNs + LONGEST_NS) told.push(name);
    }
  }
  return told;
}

function isWorse(a: KnownName, b: KnownName): boolean {
  return a.isAsked === b.isAsked ? a.goodUntilNs < b.goodUntilNs : !a.isAsked;
}
