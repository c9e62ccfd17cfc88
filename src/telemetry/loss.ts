/**
 * The ledger of losses: every room that can lose data enters it here, and the pipeline turns what
 * has come in since the last look into gap events.
 *
 * @module
 */

/** One loss, or several of the same cause that were counted together. */
export interface Loss {
  /** One of the causes of `GapEvent`. */
  readonly cause: string;
  readonly cpu?: number;
  /** Name of the record or event kind, when known. */
  readonly kind?: string;
  readonly sink?: string;
  readonly count: number;
  /** CLOCK_MONOTONIC ns of the first and the last of them. */
  readonly firstNs: bigint;
  readonly lastNs: bigint;
}

/** Entries kept apart; beyond it losses of one cause add up whatever their cpu and kind. */
const ENTRIES_MAX = 256;

/** Collects losses until they are taken. Never loses a count: entries with the same key add up. */
export class LossLedger {
  #entries = new Map<string, Loss>();
  readonly #totals = new Map<string, number>();
  #total = 0;

  /** Losses entered since the agent started. */
  get total(): number {
    return this.#total;
  }

  /** The same by cause. */
  get totals(): ReadonlyMap<string, number> {
    return this.#totals;
  }

  /** Enters a loss; `count` 0 is ignored. */
  add(loss: Loss): void {
    if (loss.count <= 0) return;
    this.#total += loss.count;
    this.#totals.set(loss.cause, (this.#totals.get(loss.cause) ?? 0) + loss.count);
    this.#enter(loss);
  }

  /**
   * Enters what was missed before this run. It becomes a gap event, also when its `count` is not
   * known and therefore 0, and is in no total: this run has not lost it.
   */
  addEarlier(loss: Loss): void {
    this.#enter(loss);
  }

  #enter(loss: Loss): void {
    let key = `${loss.cause} ${loss.cpu ?? ""} ${loss.kind ?? ""} ${loss.sink ?? ""}`;
    let entry = loss;
    if (!this.#entries.has(key) && this.#entries.size >= ENTRIES_MAX) {
      key = loss.cause;
      entry = { cause: loss.cause, count: loss.count, firstNs: loss.firstNs, lastNs: loss.lastNs };
    }
    const known = this.#entries.get(key);
    this.#entries.set(key, known === undefined ? entry : merge(known, entry));
  }

  /** Takes what was entered since the last call. */
  take(): Loss[] {
    if (this.#entries.size === 0) return [];
    const losses = [...this.#entries.values()];
    this.#entries = new Map();
    return losses;
  }
}

function merge(a: Loss, b: Loss): Loss {
  return {
    ...a,
    count: a.count + b.count,
    firstNs: a.firstNs < b.firstNs ? a.firstNs : b.firstNs,
    lastNs: a.lastNs > b.lastNs ? a.lastNs : b.lastNs,
  };
}
