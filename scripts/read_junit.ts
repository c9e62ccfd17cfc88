/**
 * Reads the JUnit report that `deno test --junit-path` writes.
 *
 * @module
 */

/** One test, or one step of a test, as a guest ran it. */
export interface TestOutcome {
  /** Test file, relative to the folder deno ran in. */
  readonly file: string;
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly seconds: number;
  /** Why it failed; "" otherwise. */
  readonly message: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};

/** Takes the report apart. It is our own tool's output, not any XML. */
export function readJunit(xml: string): TestOutcome[] {
  const outcomes: TestOutcome[] = [];
  for (const match of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const [, attributes = "", body = ""] = match;
    const failure = /<(?:failure|error)\b([^>]*?)(?:\/>|>(.*?)<\/(?:failure|error)>)/s.exec(body);
    const message = readAttribute(failure?.[1] ?? "", "message");
    outcomes.push({
      file: readAttribute(attributes, "classname").replace(/^\.\//, ""),
      name: readAttribute(attributes, "name"),
      outcome: failure !== null ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
      seconds: Number(readAttribute(attributes, "time")),
      message: failure === null ? "" : `${message}\n${decodeText(failure[2] ?? "")}`.trim(),
    });
  }
  return outcomes;
}

function readAttribute(attributes: string, name: string): string {
  return decodeText(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
}

function decodeText(text: string): string {
  const plain = text.replace(/^<!\[CDATA\[(.*)\]\]>$/s, "$1");
  return plain.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, word) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return ENTITIES[word] ?? whole;
  });
}
