/**
 * Calls that policies have matched and whose end is still to be told. Bounded in number and time.
 *
 * @module
 */
import type { PolicyEvent, PolicyHit } from "../../events/mod.ts";
import type { SelectorOwner } from "../compile/hook_tables.ts";

/** Calls that are kept at most: threads of a busy host that are in such a call at once. */
const CALLS_MAX = 4096;
/** Longer calls, such as accept(2), are told without what they return. */
const WAIT_NS = 2_000_000_000n;

/** What one policy said of a call. */
export interface MatchUnderWay {
  readonly owner: SelectorOwner;
  readonly event: PolicyEvent;
  /** Whether it is told if the end never comes. */
  readonly posts: boolean;
}

/** A call of one thread on one hook. */
export interface CallUnderWay {
  readonly timeNs: bigint;
  /** For policies that decide at the end, which brings none. */
  readonly args: PolicyHit["args"];
  readonly matches: readonly MatchUnderWay[];
}

/** Calls by thread and hook, oldest first. */
export class CallsUnderWay {
  readonly #calls = new Map<string, CallUnderWay>();

  get size(): number {
    return this.#calls.size;
  }

  /** Gives what had to go for it: the same thread's last call on the hook, and the oldest. */
  add(hit: PolicyHit, matches: readonly MatchUnderWay[]): CallUnderWay[] {
    const key = keyOf(hit);
    const gone: CallUnderWay[] = [];
    const before = this.#calls.get(key);
    if (before !== undefined) {
      this.#calls.delete(key);
      gone.push(before);
    }
    this.#calls.set(key, { timeNs: hit.timeNs, args: hit.args, matches });
    for (const [oldestKey, oldest] of this.#calls) {
      if (this.#calls.size <= CALLS_MAX) break;
      this.#calls.delete(oldestKey);
      gone.push(oldest);
    }
    return gone;
  }

  /** The call that a hit of its end is about. */
  take(hit: PolicyHit): CallUnderWay | undefined {
    const key = keyOf(hit);
    const call = this.#calls.get(key);
    this.#calls.delete(key);
    return call;
  }

  /** Calls that take too long. Late ones among them may wait a little longer. */
  expire(nowNs: bigint): CallUnderWay[] {
    const gone: CallUnderWay[] = [];
    for (const [key, call] of this.#calls) {
      if (call.timeNs + WAIT_NS > nowNs) break;
      this.#calls.delete(key);
      gone.push(call);
    }
    return gone;
  }

  takeAll(): CallUnderWay[] {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    return calls;
  }
}

/** What was decided at the end of a call has a beginning and an end of its own. */
function keyOf({ tgid, tid, hook, isDeferred }: PolicyHit): string {
  return `${tgid}.${tid}.${hook}.${isDeferred}`;
}
