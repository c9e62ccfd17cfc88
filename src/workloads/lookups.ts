/**
 * Questions to the runtimes: queued, a few at a time, asked again until answered, never waited for.
 *
 * @module
 */
import type { Counter, Counters } from "../telemetry/mod.ts";
import { Backoff } from "./runtime/backoff.ts";
import type { RuntimeApi, RuntimeFacts, Subject } from "./runtime/runtime_client.ts";
import { apisFor } from "./runtime/runtime_order.ts";
import { subjectKey } from "./subject_of.ts";
import type { TimerHandle, Timers } from "./timers.ts";

/** A container is asked about when its cgroup appears; some runtimes list it a moment later. */
const RETRY = { firstMs: 100, longestMs: 30_000 };
/** Enough for hundreds of containers per second at some ms each, and no burden to a runtime. */
const ASKED_AT_ONCE_MAX = 4;
/** Containers that wait to be asked about: a node's whole load at the start of the agent. */
const QUEUE_MAX = 1024;
/**
 * Tries before the answer of an API of lower rank is taken in place of one that fails: it lacks the
 * pod, and a runtime that restarts is back within these 0.7 s.
 */
const PARTIAL_RETRIES_MIN = 3;
/**
 * An answer that another API will better in a moment is taken when that has not come true within
 * these tries, 20 ms to 320 ms apart.
 */
const PRELIMINARY_TRIES_MAX = 5;
const PRELIMINARY_RETRY_MS = 20;
/** A description is a nicety, and there are hundreds of units. */
const UNIT_RETRIES_MAX = 5;
/** Pause before a question that found no room in the queue. */
const QUEUE_FULL_RETRY_MS = 1000;
/** Code units of all facts together, as JSON; beyond it labels are left out. */
const FACTS_LENGTH_MAX = 16 * 1024 * 1024;

/** Where a question stands. */
export type LookupState =
  | "running"
  | "known"
  | "unknown"
  | "failed"
  | "no_runtime"
  | "queue_full";

/** How a question ended. */
type Answer = RuntimeFacts | "unknown" | "failed" | "no_runtime";

/** What is known of one subject. Changed only by `Lookups`. */
export interface Lookup {
  readonly subject: Subject;
  readonly key: string;
  /** While a known subject is asked about again it stays known. */
  readonly state: LookupState;
  readonly facts?: RuntimeFacts;
}

/** Somebody to ask. */
export interface Answerer {
  lookUp(subject: Subject): Promise<RuntimeFacts | undefined>;
}

/** Needs of `Lookups`. */
export interface LookupOptions {
  readonly answerersFor: (subject: Subject) => readonly Answerer[];
  readonly counters: Counters;
  readonly timers: Timers;
  /** The state or the facts of a subject are others than before. */
  readonly changed: (lookup: Lookup) => void;
  readonly subjectsMax: number;
}

interface Entry {
  readonly subject: Subject;
  readonly key: string;
  readonly backoff: Backoff;
  state: LookupState;
  facts?: RuntimeFacts;
  factsLength: number;
  timer: TimerHandle | undefined;
  /** Something happened while the question was under way: ask once more. */
  isStale: boolean;
  /** Answers left aside because a better one was near. */
  preliminaryAnswers: number;
  readonly wantedMs: number;
  isAsking: boolean;
}

/** All subjects. */
export class Lookups {
  readonly #options: LookupOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Set<Entry>();
  /** Units are asked about when nothing more urgent waits. */
  readonly #waitingUnits = new Set<Entry>();
  readonly #stripped: Counter;
  readonly #refused: Counter;
  #asking = 0;
  #factsLength = 0;
  #isClosed = false;

  constructor(options: LookupOptions) {
    this.#options = options;
    const { counters } = options;
    this.#stripped = counters.counter(
      "shrike_workloads_facts_stripped_total",
      "Containers and pods whose labels were left out because all facts together had no more room",
    );
    this.#refused = counters.counter(
      "shrike_workloads_lookup_queue_full_total",
      "Questions to runtimes put off because the queue was full",
    );
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    gauge(
      "shrike_workloads_subjects",
      "Containers, pods and units asked about",
      () => this.#entries.size,
    );
    gauge("shrike_workloads_subjects_capacity", "Subjects held at most", () => options.subjectsMax);
    gauge(
      "shrike_workloads_lookups_open",
      "Questions that wait or are under way",
      () => this.#waiting.size + this.#waitingUnits.size + this.#asking,
    );
    gauge(
      "shrike_workloads_facts_length",
      "Code units of all facts of runtimes, as JSON",
      () => this.#factsLength,
    );
  }

  /** Subjects held. */
  get size(): number {
    return this.#entries.size;
  }

  /** Subjects that nobody has been asked about to the end. Looks at all of them. */
  get unansweredCount(): number {
    let count = 0;
    for (const { state } of this.#entries.values()) {
      if (state === "running" || state === "queue_full") count += 1;
    }
    return count;
  }

  /** What is known of the subject; asks when it is new. Undefined when there is no room. */
  want(subject: Subject): Lookup | undefined {
    const key = subjectKey(subject);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#options.subjectsMax) {
      this.#refused.value += 1;
      return undefined;
    }
    const entry: Entry = {
      subject,
      key,
      backoff: new Backoff(RETRY),
      state: "running",
      factsLength: 0,
      timer: undefined,
      isStale: false,
      preliminaryAnswers: 0,
      wantedMs: this.#options.timers.nowMs(),
      isAsking: false,
    };
    this.#entries.set(key, entry);
    this.#enqueue(entry);
    return entry;
  }

  /** Asks again, now: the runtime said that something changed. */
  refresh(subject: Subject): Lookup | undefined {
    const entry = this.#entries.get(subjectKey(subject));
    if (entry === undefined) return this.want(subject);
    if (entry.isAsking) entry.isStale = true;
    else this.#enqueue(entry);
    return entry;
  }

  /** Asks again about all that `api` may know; about what is known too if `withKnown`. */
  refreshAll({ api, withKnown }: { readonly api: RuntimeApi; readonly withKnown: boolean }): void {
    for (const entry of this.#entries.values()) {
      if (entry.state === "known" && !withKnown) continue;
      if (!apisFor(entry.subject).includes(api)) continue;
      entry.backoff.reset();
      this.refresh(entry.subject);
    }
  }

  /** Forgets a subject. */
  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#waiting.delete(entry);
    this.#waitingUnits.delete(entry);
    this.#factsLength -= entry.factsLength;
    entry.timer?.cancel();
  }

  /** Ends all questions; those under way are not listened to any more. */
  close(): void {
    this.#isClosed = true;
    for (const key of [...this.#entries.keys()]) this.drop(key);
  }

  #enqueue(entry: Entry): void {
    entry.timer?.cancel();
    entry.timer = undefined;
    const queue = entry.subject.kind === "unit" ? this.#waitingUnits : this.#waiting;
    if (queue.size >= QUEUE_MAX && !queue.has(entry)) {
      this.#refused.value += 1;
      this.#retry(entry, QUEUE_FULL_RETRY_MS);
      this.#settle(entry, "queue_full");
      return;
    }
    queue.add(entry);
    // Not at once: the caller is on the read path and must not wait for the call to be made.
    queueMicrotask(() => this.#askNext());
  }

  #askNext(): void {
    while (!this.#isClosed && this.#asking < ASKED_AT_ONCE_MAX) {
      const queue = this.#waiting.size > 0 ? this.#waiting : this.#waitingUnits;
      const entry = first(queue);
      if (entry === undefined) return;
      queue.delete(entry);
      this.#asking += 1;
      entry.isAsking = true;
      void this.#ask(entry);
    }
  }

  async #ask(entry: Entry): Promise<void> {
    let answer: Answer = "no_runtime";
    let hasFailed = false;
    let isFirst = true;
    for (const answerer of this.#options.answerersFor(entry.subject)) {
      try {
        const facts = await answerer.lookUp(entry.subject);
        answer = facts ?? "unknown";
        if (facts !== undefined) break;
        isFirst = false;
      } catch {
        // The link has counted it and remembers the error.
        hasFailed = true;
      }
    }
    // Who failed might have known it, or known more of it.
    const mayWait = typeof answer === "string" || entry.backoff.failures < PARTIAL_RETRIES_MIN;
    if (hasFailed && mayWait) answer = "failed";
    this.#asking -= 1;
    entry.isAsking = false;
    if (!this.#isClosed && this.#entries.get(entry.key) === entry) {
      if (!isFirst && !hasFailed && this.#mayBeBettered(entry, answer)) this.#leaveAside(entry);
      else this.#take(entry, answer, hasFailed);
    }
    this.#askNext();
  }

  #mayBeBettered({ state, preliminaryAnswers }: Entry, answer: Answer): boolean {
    return typeof answer !== "string" && answer.isPreliminary === true && state !== "known" &&
      preliminaryAnswers < PRELIMINARY_TRIES_MAX;
  }

  /** Asks again in a moment; until then the question counts as running. */
  #leaveAside(entry: Entry): void {
    this.#countEnd(entry, "preliminary");
    const delayMs = entry.isStale ? 0 : PRELIMINARY_RETRY_MS * 2 ** entry.preliminaryAnswers;
    entry.isStale = false;
    entry.preliminaryAnswers += 1;
    this.#retry(entry, delayMs);
  }

  #countEnd({ subject }: Entry, result: LookupState | "preliminary"): void {
    this.#options.counters.counter(
      "shrike_workloads_lookups_total",
      "Questions about containers, pods and units by how they ended",
      { kind: subject.kind, result },
    ).value += 1;
  }

  #take(entry: Entry, answer: Answer, hasFailed: boolean): void {
    this.#countEnd(entry, typeof answer === "string" ? answer : "known");
    const isPartial = typeof answer !== "string" && hasFailed;
    if (typeof answer === "string") this.#settle(entry, answer);
    else this.#learn(entry, answer);
    if (!isPartial && entry.state === "known") entry.backoff.reset();
    if (entry.isStale) {
      entry.isStale = false;
      this.#enqueue(entry);
    } else if (isPartial || isWorthRetry(entry)) {
      this.#retry(entry, entry.backoff.fail());
    }
  }

  /** What was known once stays known: a runtime forgets a container before its cgroup goes. */
  #settle(entry: Entry, state: LookupState): void {
    if (entry.state === "known" || entry.state === state) return;
    entry.state = state;
    this.#options.changed(entry);
  }

  #learn(entry: Entry, told: RuntimeFacts): void {
    const rest = this.#factsLength - entry.factsLength;
    let facts = told;
    let text = asText(facts);
    if (rest + text.length > FACTS_LENGTH_MAX) {
      facts = withoutLabels(told);
      text = asText(facts);
      this.#stripped.value += 1;
    }
    const isSame = entry.facts !== undefined && asText(entry.facts) === text;
    this.#factsLength = rest + text.length;
    entry.factsLength = text.length;
    if (isSame) return;
    if (entry.facts === undefined) this.#countNaming(entry);
    entry.facts = facts;
    entry.state = "known";
    this.#options.changed(entry);
  }

  /** Both together give the mean time until a name is known. */
  #countNaming({ subject: { kind }, wantedMs }: Entry): void {
    const { counters, timers } = this.#options;
    counters.counter(
      "shrike_workloads_named_total",
      "Containers, pods and units that a runtime has named",
      { kind },
    ).value += 1;
    counters.counter(
      "shrike_workloads_naming_seconds_total",
      "Time from the first need of their names to the answer",
      { kind },
    ).value += (timers.nowMs() - wantedMs) / 1000;
  }

  #retry(entry: Entry, delayMs: number): void {
    entry.timer?.cancel();
    entry.timer = this.#options.timers.after(delayMs, () => this.#enqueue(entry));
  }
}

/** Without a runtime there is nobody to ask until one is found, which asks all again. */
function isWorthRetry({ state, subject, backoff }: Entry): boolean {
  if (subject.kind === "unit" && backoff.failures >= UNIT_RETRIES_MAX) return false;
  return state === "unknown" || state === "failed";
}

function first<Item>(items: ReadonlySet<Item>): Item | undefined {
  for (const item of items) return item;
  return undefined;
}

function asText(facts: RuntimeFacts): string {
  return JSON.stringify(facts, (_, value) => typeof value === "bigint" ? `${value}n` : value);
}

function withoutLabels({ container, pod, ...rest }: RuntimeFacts): RuntimeFacts {
  const { labels: _labels, ...bareContainer } = container ?? {};
  const { labels: _podLabels, annotations: _annotations, ...barePod } = pod ?? {};
  return {
    ...rest,
    ...(container === undefined ? {} : { container: bareContainer as typeof container }),
    ...(pod === undefined ? {} : { pod: barePod as typeof pod }),
  };
}
