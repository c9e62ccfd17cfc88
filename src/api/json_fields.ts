/**
 * Reading JSON of the other side of the socket: it may be of another version, or no agent at all.
 *
 * @module
 */

/** A value is not what it should be. */
export class JsonFieldError extends Error {
  override readonly name = "JsonFieldError";
}

/** The fields of an object. */
export class JsonFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  /** @throws {JsonFieldError} `value` is no object */
  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new JsonFieldError(`${what} is not an object`);
    }
    this.#fields = { ...value };
    this.#what = what;
  }

  names(): string[] {
    return Object.keys(this.#fields);
  }

  text(name: string): string {
    return this.#need(name, this.optionalText(name), "a string");
  }

  optionalText(name: string): string | undefined {
    return this.#optional(name, (value) => typeof value === "string", "a string");
  }

  count(name: string): number {
    const isCount = (value: unknown): value is number =>
      Number.isSafeInteger(value) && (value as number) >= 0;
    return this.#need(name, this.#optional(name, isCount, "a count"), "a count");
  }

  /** A count that may need 64 bits: a string of digits. */
  bigCount(name: string): bigint {
    const text = this.optionalText(name);
    const isCount = text !== undefined && /^\d{1,20}$/.test(text);
    return BigInt(this.#need(name, isCount ? text : undefined, "a count as a string"));
  }

  integer(name: string): number {
    const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
    return this.#need(name, this.#optional(name, isInteger, "an integer"), "an integer");
  }

  optionalFlag(name: string): boolean | undefined {
    return this.#optional(name, (value) => typeof value === "boolean", "true or false");
  }

  flag(name: string): boolean {
    return this.#need(name, this.optionalFlag(name), "true or false");
  }

  /** @param words what it may be */
  optionalWord<const Word extends string>(
    name: string,
    words: readonly Word[],
  ): Word | undefined {
    const isWord = (value: unknown): value is Word => words.includes(value as Word);
    return this.#optional(name, isWord, `one of ${words.join(", ")}`);
  }

  word<const Word extends string>(name: string, words: readonly Word[]): Word {
    return this.#need(name, this.optionalWord(name, words), `one of ${words.join(", ")}`);
  }

  isNull(name: string): boolean {
    return this.#fields[name] === null;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#fields[name], `${this.#what}.${name}`);
  }

  objects(name: string): JsonFields[] {
    return this.#list(name).map((value, i) => new JsonFields(value, `${this.#what}.${name}[${i}]`));
  }

  texts(name: string): string[] {
    const list = this.#list(name);
    if (list.every((value) => typeof value === "string")) return list;
    throw this.#error(name, "strings");
  }

  #list(name: string): unknown[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.#error(name, "a list");
    return value;
  }

  #optional<T>(
    name: string,
    isRight: (value: unknown) => value is T,
    what: string,
  ): T | undefined {
    const value = this.#fields[name];
    if (value === undefined) return undefined;
    if (!isRight(value)) throw this.#error(name, what);
    return value;
  }

  #need<T>(name: string, value: T | undefined, what: string): T {
    if (value === undefined) throw this.#error(name, what);
    return value;
  }

  #error(name: string, what: string): JsonFieldError {
    return new JsonFieldError(`${this.#what}.${name} is not ${what}`);
  }
}
