/**
 * Which exchange is meant by a response that repeats no question: all that it has is a number.
 *
 * @module
 */
/** What is asked of an exchange: whether it has its response. */
interface Answerable {
  readonly response: unknown;
}

/** Exchanges of one socket and number. */
interface Numbered<Exchange> {
  readonly waiting: Set<Exchange>;
  /** The last one that was answered. */
  answered: Exchange | undefined;
}

/** Exchanges by socket and number, of which several may wait at a time. */
export class SameNumber<Exchange extends Answerable> {
  readonly #numbers = new Map<string, Numbered<Exchange>>();

  add(number: string, exchange: Exchange): void {
    let numbered = this.#numbers.get(number);
    if (numbered === undefined) {
      numbered = { waiting: new Set(), answered: undefined };
      this.#numbers.set(number, numbered);
    }
    if (exchange.response === undefined) numbered.waiting.add(exchange);
    else numbered.answered = exchange;
  }

  answer(number: string, exchange: Exchange): void {
    const numbered = this.#numbers.get(number);
    if (numbered?.waiting.delete(exchange)) numbered.answered = exchange;
  }

  remove(number: string, exchange: Exchange): void {
    const numbered = this.#numbers.get(number);
    if (numbered === undefined) return;
    numbered.waiting.delete(exchange);
    if (numbered.answered === exchange) numbered.answered = undefined;
    if (numbered.waiting.size === 0 && numbered.answered === undefined) {
      this.#numbers.delete(number);
    }
  }

  /** The one that waits; where none does, the last that was answered; none where several wait. */
  find(number: string): Exchange | undefined {
    const numbered = this.#numbers.get(number);
    if (numbered === undefined || numbered.waiting.size > 1) return undefined;
    const [waiting = numbered.answered] = numbered.waiting;
    return waiting;
  }
}
