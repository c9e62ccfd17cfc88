/**
 * Path patterns: `*` is any run of characters but `/`, `**` any run, `?` one character but `/`,
 * `\` takes the next character literally. `[` has no meaning: it is the name of a program.
 *
 * @module
 */

const STAR = -1;
const DOUBLE_STAR = -2;
const ANY = -3;
const SLASH = 0x2f;

/** A compiled pattern. Matching takes at most pattern length times text length steps. */
export class Glob {
  /** UTF-16 code units and the negative constants above. */
  readonly #tokens: readonly number[];
  readonly #literal: string | undefined;

  constructor(pattern: string) {
    const tokens: number[] = [];
    for (let at = 0; at < pattern.length; at++) {
      const character = pattern[at];
      if (character === "*") {
        const double = pattern[at + 1] === "*";
        if (double) at++;
        tokens.push(double ? DOUBLE_STAR : STAR);
      } else if (character === "?") {
        tokens.push(ANY);
      } else {
        if (character === "\\" && at + 1 < pattern.length) at++;
        tokens.push(pattern.charCodeAt(at));
      }
    }
    this.#tokens = tokens;
    this.#literal = tokens.every((token) => token >= 0)
      ? String.fromCharCode(...tokens)
      : undefined;
  }

  matches(text: string): boolean {
    if (this.#literal !== undefined) return this.#literal === text;
    return this.#run(text);
  }

  /** All states of the pattern at once: no backtracking, so no pattern is slow beyond the bound. */
  #run(text: string): boolean {
    const tokens = this.#tokens;
    let states = new Uint8Array(tokens.length + 1);
    let next = new Uint8Array(tokens.length + 1);
    states[0] = 1;
    this.#passStars(states);
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      next.fill(0);
      let alive = false;
      for (let state = 0; state < tokens.length; state++) {
        if (states[state] === 0) continue;
        const token = tokens[state] ?? ANY;
        if (token === DOUBLE_STAR || (token === STAR && unit !== SLASH)) next[state] = 1;
        else if (token === unit || (token === ANY && unit !== SLASH)) next[state + 1] = 1;
        else continue;
        alive = true;
      }
      if (!alive) return false;
      this.#passStars(next);
      [states, next] = [next, states];
    }
    return states[tokens.length] === 1;
  }

  /** Stars may stand for nothing. */
  #passStars(states: Uint8Array): void {
    for (let state = 0; state < this.#tokens.length; state++) {
      const token = this.#tokens[state];
      if (states[state] === 1 && (token === STAR || token === DOUBLE_STAR)) states[state + 1] = 1;
    }
  }
}
