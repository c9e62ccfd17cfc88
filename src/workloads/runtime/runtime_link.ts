/**
 * The tie to one endpoint: pauses after failures, counters, and the stream of changes that is
 * opened again whenever it ends.
 *
 * @module
 */
import type { Counter, Counters } from "../../telemetry/mod.ts";
import type { TimerHandle, Timers } from "../timers.ts";
import { Backoff } from "./backoff.ts";
import {
  type RuntimeApi,
  type RuntimeChange,
  type RuntimeClient,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeFacts,
  type Subject,
} from "./runtime_client.ts";

/** A runtime that restarts is back within a second; one that was removed must cost nothing. */
const BACKOFF = { firstMs: 200, longestMs: 30_000 };

/** A stream that lasted so long was a good one: the next pause is short again. */
const STEADY_MS = 5000;

/** What a link needs from its owner. */
export interface LinkOptions {
  readonly counters: Counters;
  readonly timers: Timers;
  /** Called with what the runtime tells by itself. Must not throw. */
  readonly report: (change: RuntimeChange, api: RuntimeApi) => void;
}

/** State of one endpoint, for `doctor`. */
export interface LinkReport {
  readonly api: RuntimeApi;
  readonly socketPath: string;
  readonly userUid?: number;
  readonly isWatching: boolean;
  /** Failures of the endpoint since its last answer. */
  readonly failures: number;
  readonly lastError?: string;
}

/** What an endpoint says of itself when it is asked. */
export interface ProbeReport extends LinkReport {
  /** Who answers, such as "docker 20.10.24"; missing when it failed or speaks another API. */
  readonly version?: string;
  /** Why there is no usable answer. */
  readonly error?: RuntimeError;
}

/** One endpoint. */
export class RuntimeLink {
  readonly client: RuntimeClient;
  readonly #options: LinkOptions;
  readonly #calls = new Backoff(BACKOFF);
  readonly #watches = new Backoff(BACKOFF);
  readonly #stop = new AbortController();
  readonly #answerSeconds: Counter;
  readonly #answers: Counter;
  #pausedUntilMs = -Infinity;
  #isWatching = false;
  #lastError: string | undefined;
  #timer: TimerHandle | undefined;

  constructor(client: RuntimeClient, options: LinkOptions) {
    this.client = client;
    this.#options = options;
    const labels = { runtime: client.api };
    this.#answerSeconds = options.counters.counter(
      "shrike_workloads_runtime_answer_seconds_total",
      "Time that runtimes took to answer, failures included",
      labels,
    );
    this.#answers = options.counters.counter(
      "shrike_workloads_runtime_answers_total",
      "Questions that runtimes answered, failures included",
      labels,
    );
  }

  /**
   * Opens the stream of changes and keeps it open. A user's own runtime is only asked, never heard.
   */
  start(): void {
    if (this.client.userUid === undefined) void this.#watch();
  }

  /** Asks, unless the endpoint failed a moment ago. Throws RuntimeError. */
  async lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    const { timers } = this.#options;
    const startedMs = timers.nowMs();
    if (startedMs < this.#pausedUntilMs) {
      this.#countError("backing_off");
      throw new RuntimeError(this.client.api, "backing_off", this.#lastError ?? "it failed before");
    }
    try {
      const facts = await this.client.lookUp(subject);
      this.#calls.reset();
      return facts;
    } catch (error) {
      const known = this.#asRuntimeError(error);
      this.#countError(known.code);
      this.#lastError = known.message;
      if (known.isOfEndpoint) this.#pausedUntilMs = timers.nowMs() + this.#calls.fail();
      else this.#calls.reset();
      throw known;
    } finally {
      this.#answers.value += 1;
      this.#answerSeconds.value += (timers.nowMs() - startedMs) / 1000;
    }
  }

  /** Ends the pause after failures: the endpoint was seen to be there. */
  resume(): void {
    this.#pausedUntilMs = -Infinity;
  }

  /** What is known of the endpoint. */
  describe(): LinkReport {
    const { api, socketPath, userUid } = this.client;
    return {
      api,
      socketPath,
      isWatching: this.#isWatching,
      failures: this.#calls.failures,
      ...(userUid === undefined ? {} : { userUid }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    };
  }

  /** Asks the endpoint for its version, also when it is left alone after failures. Never throws. */
  async probe(): Promise<ProbeReport> {
    try {
      const version = await this.client.version();
      return { ...this.describe(), ...(version === undefined ? {} : { version }) };
    } catch (error) {
      return { ...this.describe(), error: this.#asRuntimeError(error) };
    }
  }

  /** Ends the stream and closes the connection. */
  close(): void {
    this.#stop.abort();
    this.#timer?.cancel();
    this.client.close();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const startedMs = this.#options.timers.nowMs();
    try {
      await this.client.watch((change) => this.#take(change), signal);
      // No stream in this runtime: questions alone must do.
    } catch (error) {
      if (signal.aborted) return;
      const known = this.#asRuntimeError(error);
      this.#countError(known.code);
      this.#lastError = known.message;
      if (this.#options.timers.nowMs() - startedMs > STEADY_MS) this.#watches.reset();
      const pauseMs = this.#watches.fail();
      this.#timer = this.#options.timers.after(pauseMs, () => void this.#watch());
    } finally {
      this.#isWatching = false;
    }
  }

  #take(change: RuntimeChange): void {
    if (this.#stop.signal.aborted) return;
    if (change.type === "connected") {
      this.#isWatching = true;
      this.resume();
    }
    this.#options.report(change, this.client.api);
  }

  #asRuntimeError(error: unknown): RuntimeError {
    if (error instanceof RuntimeError) return error;
    const found = error instanceof Error ? error.message : String(error);
    return new RuntimeError(this.client.api, "protocol", found, { cause: error });
  }

  #countError(code: RuntimeErrorCode): void {
    this.#options.counters.counter(
      "shrike_workloads_runtime_errors_total",
      "Questions and streams of runtimes that failed",
      { runtime: this.client.api, error: code },
    ).value += 1;
  }
}
