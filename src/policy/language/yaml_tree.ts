/**
 * YAML as trees whose every node knows its place. Made for files of strangers: what such a file can
 * cost in time and memory has a limit, whatever is in it.
 *
 * @module
 */
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  type YAMLMap,
} from "yaml";
import { quote } from "../../telemetry/mod.ts";
import type { Place } from "../model.ts";
import type { PolicyProblems } from "./policy_problem.ts";

/** Where a node stands: in the file, and in the document. */
interface NodeBase {
  readonly place: Place;
  readonly path: string;
}

/** A word, a number, a text. */
export interface YamlScalar extends NodeBase {
  readonly kind: "scalar";
  /** Of numbers as they are written: "0x10", "010". */
  readonly text: string;
  readonly type: "text" | "number" | "boolean";
}

/** null, or nothing at all. */
export interface YamlEmpty extends NodeBase {
  readonly kind: "empty";
}

export interface YamlList extends NodeBase {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends NodeBase {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/** A key with what it has; place and path are the key's. */
export interface YamlEntry extends NodeBase {
  readonly key: string;
  readonly value: YamlNode;
}

export type YamlNode = YamlScalar | YamlEmpty | YamlList | YamlMap;

/** One document of a file. */
export interface YamlDocument {
  readonly tree: YamlNode;
  /** What stands in the file from the document before to its end, also comments. */
  readonly text: string;
}

/** A policy is some screens of text; more is a mistake. */
export const FILE_SIZE_MAX = 1024 * 1024;
/** Documents of one file. */
const DOCUMENTS_MAX = 4096;
/** The published form needs 9. Also ends anchors that contain themselves. */
const DEPTH_MAX = 32;
/** Of a file, nodes behind aliases counted each time: aliases of aliases multiply. */
const NODES_MAX = 400_000;
/**
 * Words, marks and line ends of a file, and of one document: each costs some microseconds, however
 * short it is. A megabyte of policies has about 400,000; a document is made a tree in one turn.
 */
const TOKENS_MAX = 500_000;
const DOCUMENT_TOKENS_MAX = 100_000;
/** Between two steps; takes about a millisecond. */
const STEP_TOKENS = 128;

/** The documents of a file, without those that are empty. In steps, see `finishInSlices()`. */
export function* readYaml(
  bytes: Uint8Array,
  file: string,
  problems: PolicyProblems,
): Generator<void, YamlDocument[]> {
  const top = { place: { file, line: 1, column: 1 }, path: "" };
  if (bytes.length > FILE_SIZE_MAX) {
    const hint = `a file has ${FILE_SIZE_MAX} bytes at most; split it`;
    problems.add(top, `the file has ${bytes.length} bytes`, hint);
    return [];
  }
  const badLine = invalidLine(bytes);
  if (badLine !== undefined) {
    const place = { file, line: badLine, column: 1 };
    problems.add({ place, path: "" }, "the line is not UTF-8", "save the file as UTF-8");
    return [];
  }
  const text = new TextDecoder().decode(bytes);
  return yield* new TreeReader(file, problems).read(text);
}

/** Number of the first line that is not UTF-8. */
function invalidLine(bytes: Uint8Array): number | undefined {
  const isValid = (part: Uint8Array) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(part);
      return true;
    } catch {
      return false;
    }
  };
  if (isValid(bytes)) return undefined;
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0 || !isValid(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  return line;
}

class TreeReader {
  readonly #file: string;
  readonly #problems: PolicyProblems;
  readonly #lines = new LineCounter();
  #anchors = new Map<string, Node>();
  #aliasDepth = 0;
  #nodeCount = 0;
  #isTooBig = false;

  constructor(file: string, problems: PolicyProblems) {
    this.#file = file;
    this.#problems = problems;
  }

  *read(text: string): Generator<void, YamlDocument[]> {
    const read: YamlDocument[] = [];
    // Its own search for equal keys compares each with each; #map() does it in one pass.
    const composer = new Composer({ uniqueKeys: false, resolveKnownTags: false, merge: false });
    let count = 0;
    let start = 0;
    for (const document of this.#compose(text, composer)) {
      yield;
      if (document === undefined) continue;
      if (++count > DOCUMENTS_MAX) {
        const hint = `a file has ${DOCUMENTS_MAX} documents at most; split it`;
        this.#mistake(document.range[0], "too many documents", hint);
        break;
      }
      const tree = this.#document(document);
      const piece = text.slice(start, document.range[2]);
      start = document.range[2];
      if (tree !== undefined && tree.kind !== "empty") read.push({ tree, text: piece });
      if (this.#isTooBig) break;
    }
    for (const error of composer.streamInfo().errors) {
      this.#mistake(error.pos[0], yamlText(error.message), "write valid YAML");
    }
    return read;
  }

  /** The documents of a text; undefined where one may pause. Ends early when it is too big. */
  *#compose(text: string, composer: Composer): Generator<Document.Parsed | undefined> {
    const parser = new Parser(this.#lines.addNewLine);
    this.#lines.addNewLine(0);
    let count = 0;
    let countBefore = 0;
    for (const source of new Lexer().lex(text)) {
      const at = parser.offset;
      if (++count > TOKENS_MAX) {
        return this.#tooMany(at, `the file has more than ${TOKENS_MAX} words, marks and lines`);
      }
      if (count - countBefore > DOCUMENT_TOKENS_MAX && !isFiller(source)) {
        const what = `the document has more than ${DOCUMENT_TOKENS_MAX} words, marks and lines`;
        return this.#tooMany(at, what);
      }
      for (const token of parser.next(source)) {
        if (token.type === "document") countBefore = count;
        yield* composer.next(token);
      }
      if (count % STEP_TOKENS === 0) yield undefined;
    }
    for (const token of parser.end()) yield* composer.next(token);
    yield* composer.end();
  }

  #tooMany(at: number, what: string): void {
    this.#mistake(at, what, "split it, or take comments and empty lines away");
    this.#isTooBig = true;
  }

  #document(document: Document.Parsed): YamlNode | undefined {
    const errors = [...document.errors, ...document.warnings];
    for (const { code, pos, message } of errors) {
      if (code === "RESOURCE_EXHAUSTION") this.#tooDeep(pos[0]);
      else if (code === "TAG_RESOLVE_FAILED") {
        this.#mistake(pos[0], yamlText(message), "take the tag away");
      } else this.#mistake(pos[0], yamlText(message), "write valid YAML");
    }
    if (errors.length > 0) return undefined;
    this.#anchors = new Map();
    return this.#node(document.contents, { at: document.range[0], path: "", depth: 0 });
  }

  #node(
    node: Node | null,
    { at, path, depth }: { at: number; path: string; depth: number },
  ): YamlNode {
    const start = node?.range?.[0] ?? at;
    const base = { place: this.#place(start), path };
    const empty: YamlEmpty = { kind: "empty", ...base };
    if (node === null || !this.#mayGoOn(start, depth)) return empty;
    if (isAlias(node)) return this.#alias(node.source, { at: start, path, depth });
    if (this.#aliasDepth === 0 && "anchor" in node && node.anchor !== undefined) {
      this.#anchors.set(String(node.anchor), node);
    }
    if (isScalar(node)) return this.#scalar(node, base);
    if (isMap(node)) return { kind: "map", ...base, entries: this.#map(node, { path, depth }) };
    if (!isSeq(node)) return empty;
    const items = node.items.map((item, i) =>
      this.#node(item as Node | null, { at: start, path: `${path}[${i}]`, depth: depth + 1 })
    );
    return { kind: "list", ...base, items };
  }

  #alias(name: string, spot: { at: number; path: string; depth: number }): YamlNode {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      this.#mistake(spot.at, `no anchor &${name} stands before *${name}`, "write what it means");
      return { kind: "empty", place: this.#place(spot.at), path: spot.path };
    }
    this.#aliasDepth++;
    const node = this.#node(target, { ...spot, depth: spot.depth + 1 });
    this.#aliasDepth--;
    return node;
  }

  #scalar(node: Scalar, base: NodeBase): YamlNode {
    const { value, source } = node;
    if (value === null) return { kind: "empty", ...base };
    if (typeof value === "string") return { kind: "scalar", ...base, text: value, type: "text" };
    // As it is written: 010 and 1e3 are read by what wants a number.
    const type = typeof value === "boolean" ? "boolean" : "number";
    return { kind: "scalar", ...base, text: source ?? String(value), type };
  }

  #map(
    node: YAMLMap,
    { path, depth }: { path: string; depth: number },
  ): ReadonlyMap<string, YamlEntry> {
    const entries = new Map<string, YamlEntry>();
    for (const { key, value } of node.items) {
      const keyNode = key as Node | null;
      const start = keyNode?.range?.[0] ?? node.range?.[0] ?? 0;
      if (!isScalar(keyNode) || keyNode.value === null) {
        this.#mistake(start, "a key is not a word", "write key: value");
        continue;
      }
      const name = typeof keyNode.value === "string"
        ? keyNode.value
        : keyNode.source ?? String(keyNode.value);
      const below = path === "" ? name : `${path}.${name}`;
      const entry = { key: name, place: this.#place(start), path: below };
      const child = this.#node(value as Node | null, { at: start, path: below, depth: depth + 1 });
      const other = entries.get(name);
      if (other === undefined) entries.set(name, { ...entry, value: child });
      else {
        this.#mistake(
          start,
          `the key ${quote(name)} stands twice`,
          `the first is in line ${other.place.line}; keep one`,
        );
      }
    }
    return entries;
  }

  #mayGoOn(at: number, depth: number): boolean {
    if (this.#isTooBig) return false;
    if (depth > DEPTH_MAX) {
      this.#tooDeep(at);
      this.#isTooBig = true;
    } else if (++this.#nodeCount > NODES_MAX) {
      this.#mistake(at, `the file has more than ${NODES_MAX} values`, "split it");
      this.#isTooBig = true;
    }
    return !this.#isTooBig;
  }

  #tooDeep(at: number): void {
    this.#mistake(at, `nested deeper than ${DEPTH_MAX} levels`, "no policy needs that");
  }

  #place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  #mistake(offset: number, text: string, hint: string): void {
    this.#problems.add({ place: this.#place(offset), path: "" }, text, hint);
  }
}

/** Comments and empty lines before a document belong to none. */
function isFiller(source: string): boolean {
  return source.startsWith("#") || source.trim() === "";
}

/** Of the library's message the first line, cut: it may quote the file. */
function yamlText(message: string): string {
  const line = message.split("\n")[0]!.slice(0, 160).replace(/\.$/, "");
  return line.charAt(0).toLowerCase() + line.slice(1);
}
