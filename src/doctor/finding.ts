/**
 * What the examination of a host finds.
 *
 * @module
 */

/** How bad it is. */
export type FindingStatus =
  | "ok"
  /** The agent runs, with less than it could do or with a doubt. */
  | "warning"
  /** The agent does not run, or not for long. */
  | "problem";

/** Parts of the report, in its order. */
export const TOPICS = [
  "program",
  "cgroups",
  "runtimes",
  "kernel",
  "rights",
  "limits",
  "host",
] as const;

/** One of the parts. */
export type Topic = typeof TOPICS[number];

/** One line of the report. */
export interface Finding {
  readonly topic: Topic;
  /** A word or two; the same on every host. */
  readonly name: string;
  readonly status: FindingStatus;
  /** State found, and why. */
  readonly text: string;
  /** What follows from it; only with warnings and problems. */
  readonly follows?: string;
  /** What to do about it; only with warnings and problems. */
  readonly hint?: string;
}

/** Cause and cure of what is not ok. */
export interface Trouble {
  readonly text: string;
  readonly follows: string;
  readonly hint: string;
}

/** Makes the findings of one topic. */
export class TopicFindings {
  readonly findings: Finding[] = [];
  readonly #topic: Topic;

  constructor(topic: Topic) {
    this.#topic = topic;
  }

  ok(name: string, text: string): void {
    this.findings.push({ topic: this.#topic, name, status: "ok", text });
  }

  warning(name: string, trouble: Trouble): void {
    this.#add(name, "warning", trouble);
  }

  problem(name: string, trouble: Trouble): void {
    this.#add(name, "problem", trouble);
  }

  #add(name: string, status: FindingStatus, { text, follows, hint }: Trouble): void {
    this.findings.push({ topic: this.#topic, name, status, text, follows, hint });
  }
}

/** The worst status of all. */
export function verdictOf(findings: readonly Finding[]): FindingStatus {
  if (findings.some(({ status }) => status === "problem")) return "problem";
  return findings.some(({ status }) => status === "warning") ? "warning" : "ok";
}
