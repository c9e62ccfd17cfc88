/**
 * Patterns of names: `*` is any run of characters, `/` among them, `?` is one character, `\` takes
 * the next one literally.
 *
 * @module
 */

/** Longer texts are not compared: no name or path of a cgroup is as long. */
const TEXT_LENGTH_MAX = 4096;

/** `*` and `?`; no character is empty or two. */
const RUN = "";
const ONE = "any";
/** One of them, or a character. */
type Token = string;

/** A pattern taken apart. Matching takes at most pattern length times text length steps. */
export class WordGlob {
  readonly #tokens: readonly Token[];
  readonly #literal: string | undefined;
  #steps = 0;

  constructor(pattern: string) {
    const tokens: Token[] = [];
    for (let at = 0; at < pattern.length; at++) {
      let character = pattern[at]!;
      if (character === "*") {
        if (tokens.at(-1) !== RUN) tokens.push(RUN);
        continue;
      }
      if (character === "?") {
        tokens.push(ONE);
        continue;
      }
      if (character === "\\" && at + 1 < pattern.length) character = pattern[++at]!;
      tokens.push(character);
    }
    this.#tokens = tokens;
    this.#literal = tokens.every((token) => token.length === 1) ? tokens.join("") : undefined;
  }

  /** Steps that the last text took that was not compared as a whole. */
  get steps(): number {
    return this.#steps;
  }

  matches(text: string): boolean {
    if (this.#literal !== undefined) return this.#literal === text;
    return text.length <= TEXT_LENGTH_MAX && this.#run(text);
  }

  /** A run that was too short is made longer; only the last one ever has to be. */
  #run(text: string): boolean {
    const tokens = this.#tokens;
    let [at, token] = [0, 0];
    let [runToken, runAt] = [-1, 0];
    this.#steps = 0;
    while (at < text.length) {
      this.#steps++;
      if (tokens[token] === RUN) {
        [runToken, runAt] = [token++, at];
      } else if (token < tokens.length && (tokens[token] === ONE || tokens[token] === text[at])) {
        at++;
        token++;
      } else if (runToken >= 0) {
        token = runToken + 1;
        at = ++runAt;
      } else return false;
    }
    while (tokens[token] === RUN) token++;
    return token === tokens.length;
  }
}
