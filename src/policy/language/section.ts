/**
 * Sections of a policy by their tables of keys: what is unknown, refused or of the wrong kind is
 * told here, so that what reads a section sees only what it can use.
 *
 * @module
 */
import { nearestWord, quote } from "../../telemetry/mod.ts";
import type { Place } from "../model.ts";
import { listed, type PolicyProblems, type Spot } from "./policy_problem.ts";
import type { YamlEntry, YamlMap, YamlNode, YamlScalar } from "./yaml_tree.ts";

/** What a key may have. */
export type KeyKind = "text" | "integer" | "boolean" | "list" | "texts" | "map" | "any";

/** A key that is read. */
export interface SupportedKey {
  readonly kind: KeyKind;
  readonly what: string;
  readonly isRequired?: true;
  /** Ours: only under apiVersion shrike.io/v1alpha1. */
  readonly isExtension?: true;
}

/** A key of the published form that cannot be used, unless it says nothing (false, empty). */
export interface RefusedKey {
  readonly refused: string;
  /** Nearest thing that works. */
  readonly nearest: string;
}

/** One row per key. */
export type KeyTable = Readonly<Record<string, SupportedKey | RefusedKey>>;

/** A kind of section. */
export interface Section {
  /** As in "unknown key of a kprobe". */
  readonly name: string;
  readonly keys: KeyTable;
}

/** Where it goes on. */
export interface SectionReading {
  readonly problems: PolicyProblems;
  readonly isExtended: boolean;
}

/** The usable keys of a section. */
export class Fields {
  readonly place: Place;
  readonly path: string;
  readonly #values: ReadonlyMap<string, YamlEntry>;

  constructor({ place, path }: Spot, values: ReadonlyMap<string, YamlEntry>) {
    this.place = place;
    this.path = path;
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  node(key: string): YamlNode | undefined {
    return this.#values.get(key)?.value;
  }

  /** Where the key stands; without it the section. */
  spot(key: string): Spot {
    return this.#values.get(key) ?? this;
  }

  /** Where its value stands, with the text of a word. */
  valueSpot(key: string): Spot {
    const node = this.node(key);
    return node === undefined ? this : spotOf(node);
  }

  text(key: string): string | undefined {
    const node = this.node(key);
    return node?.kind === "scalar" ? node.text : undefined;
  }

  integer(key: string): number | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : Number(text);
  }

  boolean(key: string, initial: boolean): boolean {
    const text = this.text(key);
    return text === undefined ? initial : text.toLowerCase() === "true";
  }

  items(key: string): readonly YamlNode[] {
    const node = this.node(key);
    return node?.kind === "list" ? node.items : [];
  }

  /** Of "texts": a list of words, or one word. */
  scalars(key: string): readonly YamlScalar[] {
    const node = this.node(key);
    const items = node?.kind === "list" ? node.items : node === undefined ? [] : [node];
    return items.filter((item) => item.kind === "scalar");
  }

  map(key: string): YamlMap | undefined {
    const node = this.node(key);
    return node?.kind === "map" ? node : undefined;
  }
}

/** Reads the keys of `node`; undefined, and told, when it is no section. */
export function openSection(
  node: YamlNode,
  section: Section,
  reading: SectionReading,
): Fields | undefined {
  if (node.kind !== "map") {
    reading.problems.add(
      spotOf(node),
      `${section.name} has ${describe(node)} instead of keys`,
      `write keys: ${listed(supportedKeys(section, reading))}`,
    );
    return undefined;
  }
  const values = new Map<string, YamlEntry>();
  for (const entry of node.entries.values()) {
    if (isUsable(entry, section, reading)) values.set(entry.key, entry);
  }
  for (const [key, row] of Object.entries(section.keys)) {
    if ("refused" in row || row.isRequired === undefined) continue;
    const entry = node.entries.get(key);
    if (entry !== undefined && entry.value.kind !== "empty") continue;
    reading.problems.add(
      entry ?? node,
      `${section.name} has no ${key}`,
      `write ${key}: ${row.what}`,
    );
  }
  return new Fields(node, values);
}

function isUsable(entry: YamlEntry, section: Section, reading: SectionReading): boolean {
  const { key, value } = entry;
  const row = Object.hasOwn(section.keys, key) ? section.keys[key] : undefined;
  if (row === undefined) {
    reading.problems.add(
      { ...entry, found: key },
      `unknown key ${quote(key)} of ${section.name}`,
      suggestion(key, supportedKeys(section, reading)),
    );
    return false;
  }
  if ("refused" in row) {
    if (saysNothing(value)) return false;
    reading.problems.add(
      { ...entry, found: key },
      `${key} is not supported: ${row.refused}`,
      row.nearest,
    );
    return false;
  }
  if (row.isExtension && !reading.isExtended) {
    reading.problems.add(
      { ...entry, found: key },
      `${key} is no key of the published form`,
      "write apiVersion: shrike.io/v1alpha1",
    );
    return false;
  }
  if (value.kind === "empty") return false;
  return isOfKind(key, value, { row, reading });
}

function isOfKind(
  key: string,
  value: YamlNode,
  { row, reading }: { row: SupportedKey; reading: SectionReading },
): boolean {
  const form = KIND_FORMS[row.kind];
  if (row.kind === "texts" && value.kind === "list") {
    const bad = value.items.filter((item) => item.kind !== "scalar");
    for (const item of bad) {
      const text = `${key} has ${describe(item)} where a word belongs`;
      reading.problems.add(spotOf(item), text, `write ${row.what}`);
    }
    return true;
  }
  if (form.accepts(value)) return true;
  reading.problems.add(
    spotOf(value),
    `${key} has ${describe(value)} instead of ${form.name}`,
    value.kind === "scalar" && row.kind === "boolean" && /^(true|false)$/i.test(value.text)
      ? "take the quotes away"
      : `write ${row.what}`,
  );
  return false;
}

const KIND_FORMS: Readonly<
  Record<KeyKind, { readonly name: string; accepts(node: YamlNode): boolean }>
> = {
  text: { name: "a word", accepts: (node) => node.kind === "scalar" },
  integer: {
    name: "a whole number",
    accepts: (node) => node.kind === "scalar" && node.type === "number" && isInteger(node.text),
  },
  boolean: {
    name: "true or false",
    accepts: (node) => node.kind === "scalar" && node.type === "boolean",
  },
  list: { name: "a list", accepts: (node) => node.kind === "list" },
  texts: { name: "a list", accepts: (node) => node.kind === "scalar" },
  map: { name: "keys", accepts: (node) => node.kind === "map" },
  any: { name: "something", accepts: () => true },
};

function isInteger(text: string): boolean {
  return /^[-+]?(\d+|0x[0-9a-f]+|0o[0-7]+)$/i.test(text) && Number.isSafeInteger(Number(text));
}

/** An empty value of a key that is not supported asks for nothing. */
function saysNothing(node: YamlNode): boolean {
  switch (node.kind) {
    case "empty":
      return true;
    case "list":
      return node.items.length === 0;
    case "map":
      return node.entries.size === 0;
    case "scalar":
      return node.text === "" || (node.type !== "text" && /^(false|0)$/i.test(node.text));
  }
}

function supportedKeys(section: Section, { isExtended }: SectionReading): string[] {
  return Object.entries(section.keys)
    .filter(([, row]) => !("refused" in row) && (isExtended || row.isExtension === undefined))
    .map(([key]) => key);
}

/** Place and path of a node, with its text when it is a word. */
export function spotOf(node: YamlNode): Spot {
  const { place, path } = node;
  return node.kind === "scalar" ? { place, path, found: node.text } : { place, path };
}

/** "did you mean X?", or the known words. */
export function suggestion(word: string, known: readonly string[]): string {
  const nearest = nearestWord(word, known);
  return nearest === undefined ? `known: ${listed(known)}` : `did you mean ${nearest}?`;
}

/** What a node is, for messages. */
export function describe(node: YamlNode): string {
  switch (node.kind) {
    case "empty":
      return "nothing";
    case "list":
      return "a list";
    case "map":
      return "keys";
    case "scalar":
      return quote(node.text);
  }
}
