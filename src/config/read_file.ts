/**
 * The config file: YAML with sections, each mistake with its line and column.
 *
 * @module
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { nearestWord, quote } from "../telemetry/mod.ts";
import type { OptionName } from "./options.ts";
import { OPTIONS } from "./options.ts";
import type { Problem } from "./problem.ts";

/** A value of an option as a source has it, before it is checked. */
export interface SourceValue {
  readonly text: string;
  readonly place: string;
}

/** What a source says, by option; lists have several values. */
export type SourceValues = Map<OptionName, SourceValue[]>;

/** Aliases resolve through at most this many others, against files made to take memory. */
const ALIAS_COUNT_MAX = 20;
/** Mistakes reported of one file; the rest would only scroll the first away. */
const PROBLEMS_MAX = 20;

/** Reads the text of the config file at `path`; mistakes are added to `problems`. */
export function readConfigText(path: string, text: string, problems: Problem[]): SourceValues {
  return new FileReader(path, text, problems).read();
}

class FileReader {
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;
  readonly #problems: Problem[];
  readonly #problemsMax: number;
  readonly #values: SourceValues = new Map();
  #aliasCount = 0;

  constructor(path: string, text: string, problems: Problem[]) {
    this.#path = path;
    this.#problems = problems;
    this.#problemsMax = problems.length + PROBLEMS_MAX;
    // Errors carry their own positions; without prettyErrors their text is one line.
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
  }

  read(): SourceValues {
    for (const error of this.#document.errors) {
      this.#mistake(error.pos[0], lowerFirst(error.message), "write valid YAML");
    }
    if (this.#document.errors.length > 0) return this.#values;
    const root = this.#document.contents;
    if (root === null || isEmpty(root)) return this.#values;
    if (!isMap(root)) {
      this.#mistake(start(root), "the file does not hold sections", `write ${sectionHint()}`);
      return this.#values;
    }
    for (const [name, node, at] of this.#entries(root)) this.#readSection(name, node, at);
    return this.#values;
  }

  #readSection(section: string, node: Node | null, at: number): void {
    const known = sections();
    if (!known.includes(section)) {
      return this.#mistake(at, `unknown section ${quote(section)}`, suggest(section, known));
    }
    if (node === null || isEmpty(node)) return;
    if (!isMap(node)) {
      return this.#mistake(
        start(node),
        `section "${section}" does not hold keys`,
        `write ${keysOf(section).join(", ")} below it`,
      );
    }
    for (const [key, value, keyAt] of this.#entries(node)) {
      const name = optionOf(`${section}.${key}`);
      if (name === undefined) {
        this.#mistake(
          keyAt,
          `unknown key ${quote(key)} in section "${section}"`,
          suggestKey(section, key),
        );
      } else {
        this.#readValue(name, value, keyAt);
      }
    }
  }

  #readValue(name: OptionName, node: Node | null, at: number): void {
    const { key, isList, type } = OPTIONS[name];
    const items = isList && isSeq(node) ? node.items as (Node | null)[] : [node];
    const values: SourceValue[] = [];
    for (const item of items) {
      const scalar = this.#resolve(item);
      const itemAt = item === null ? at : start(item);
      if (!isScalar(scalar)) {
        const found = scalar === null ? "no value" : isMap(scalar) ? "keys" : "a list";
        this.#mistake(itemAt, `${key} has ${found}`, `write ${type.allowed}`);
      } else if (scalar.value === null) {
        this.#mistake(itemAt, `${key} has no value`, `write ${type.allowed}`);
      } else {
        // The source text, so that 010 or 1e3 mean what they mean on the command line.
        const text = typeof scalar.value === "string" ? scalar.value : scalar.source;
        values.push({ text: text ?? String(scalar.value), place: this.#place(itemAt) });
      }
    }
    this.#values.set(name, values);
  }

  /** Keys with their values and the position of the key. */
  *#entries(map: YAMLMap): Generator<[string, Node | null, number]> {
    for (const { key, value } of map.items) {
      const keyNode = this.#resolve(key as Node | null);
      const at = keyNode === null ? start(map) : start(keyNode);
      if (!isScalar(keyNode)) this.#mistake(at, "a key is not a word", "write key: value");
      else yield [String(keyNode.value), this.#resolveMap(value as Node | null), at];
    }
  }

  #resolveMap(node: Node | null): Node | null {
    return isAlias(node) ? this.#resolve(node) : node;
  }

  #resolve(node: Node | null): Node | null {
    let found: Node | null = node;
    while (isAlias(found)) {
      if (++this.#aliasCount > ALIAS_COUNT_MAX) {
        this.#mistake(start(found), "too many aliases", `use at most ${ALIAS_COUNT_MAX}`);
        return null;
      }
      found = found.resolve(this.#document) ?? null;
    }
    return found;
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#path}:${line}:${col}`;
  }

  #mistake(offset: number, reason: string, hint: string): void {
    if (this.#problems.length >= this.#problemsMax) return;
    this.#problems.push({ place: this.#place(offset), reason, hint });
  }
}

function start(node: Node): number {
  return node.range?.[0] ?? 0;
}

function isEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null;
}

function keys(): string[] {
  return Object.values(OPTIONS).flatMap(({ key }) => key === undefined ? [] : [key]);
}

function sections(): string[] {
  return [...new Set(keys().map((key) => key.slice(0, key.indexOf("."))))];
}

function keysOf(section: string): string[] {
  return keys().filter((key) => key.startsWith(`${section}.`))
    .map((key) => key.slice(section.length + 1));
}

function optionOf(key: string): OptionName | undefined {
  const names = Object.keys(OPTIONS) as OptionName[];
  return names.find((name) => OPTIONS[name].key === key);
}

function sectionHint(): string {
  return `the sections ${sections().join(", ")}`;
}

function suggest(word: string, known: readonly string[]): string {
  const nearest = nearestWord(word, known);
  const meant = nearest === undefined ? "" : `did you mean ${nearest}? `;
  return `${meant}known: ${known.join(", ")}`;
}

/** The nearest key of this section; failing that, the same key of another. */
function suggestKey(section: string, key: string): string {
  const here = keysOf(section);
  if (nearestWord(key, here) !== undefined) return suggest(key, here);
  const elsewhere = keys().find((known) => known.endsWith(`.${key}`));
  return elsewhere === undefined ? suggest(key, here) : `did you mean ${elsewhere}?`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
