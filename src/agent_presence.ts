/**
 * Whether an agent watched this host: what the run before has left is read and becomes a gap, and
 * the same is left for the next run. Only with a state directory, and nothing here ends the agent.
 *
 * A kill leaves the last sign of life, so the gap may then begin some seconds too early, never too
 * late: what is written down is a tick old, and what was read before has been handed over since.
 *
 * @module
 */
import { HostFiles } from "./cgroups/mod.ts";
import type { Config } from "./config/mod.ts";
import type { Payload } from "./loader/mod.ts";
import {
  type Clock,
  type Counter,
  type Counters,
  type LastRun,
  LastRunError,
  LastRunFile,
  type Log,
  type LossLedger,
} from "./telemetry/mod.ts";

/** What the presence of an agent is made with. */
export interface AgentPresenceParts {
  readonly config: Pick<Config, "stateDirectory">;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly losses: Pick<LossLedger, "addEarlier">;
  readonly payload: Pick<Payload, "build">;
  readonly log: Log;
  /** The host's, unless a test has others. */
  readonly files?: HostFiles;
}

/** The time before this run in which no agent watched. */
export interface Absence {
  /** The run before ended in order; else the time begins with its last sign of life. */
  readonly isClean: boolean;
  readonly durationNs: bigint;
  /** Threads and processes that were made on the host; 0 when that cannot be told. */
  readonly forks: number;
}

/** Turns (about a second each) between two signs of life. */
const SIGN_TURNS = 10;
const NS_PER_MS = 1_000_000n;

type Moment = Pick<LastRun, "boottimeNs" | "wallNs" | "forks">;

/** What is left for the next run, and what the run before has left. */
export class AgentPresence implements Disposable {
  readonly #parts: AgentPresenceParts;
  readonly #files: HostFiles;
  readonly #failures: Counter;
  readonly #bootId: string;
  #file: LastRunFile | undefined;
  /** Written down at the next turn. */
  #sign: Moment | undefined;
  #end: Moment | undefined;
  #turns = 0;
  #hasFailed = false;

  constructor(parts: AgentPresenceParts) {
    this.#parts = parts;
    this.#files = parts.files ?? new HostFiles();
    this.#failures = parts.counters.counter(
      "shrike_agent_state_failures_total",
      "Reads and writes of the state directory that failed",
    );
    this.#bootId = this.#files.readText("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
    const { stateDirectory } = parts.config;
    if (stateDirectory === undefined) return;
    this.#try(() => {
      if (this.#bootId === "") {
        throw new LastRunError("tell this boot", "no boot_id", "mount /proc");
      }
      this.#file = new LastRunFile(stateDirectory);
    });
  }

  /** The hooks are attached: what was missed since the run before goes into the ledger. */
  begin(): Absence | undefined {
    const file = this.#file;
    if (file === undefined) return undefined;
    const now = this.#look();
    const before = this.#try(() => file.read());
    const isOfThisBoot = before?.bootId === this.#bootId && before.boottimeNs <= now.boottimeNs;
    if (!isOfThisBoot) {
      this.#write(now, false);
      return undefined;
    }
    // What the run before has left stays until the gap was handed over.
    this.#sign = now;
    return this.#enter(before, now);
  }

  #enter({ boottimeNs, isClean, version, ...before }: LastRun, now: Moment): Absence {
    const { losses, clock, log } = this.#parts;
    const durationNs = now.boottimeNs - boottimeNs;
    const forks = Math.max(0, (now.forks ?? 0) - (before.forks ?? now.forks ?? 0));
    const lastNs = clock.monotonicNs();
    losses.addEarlier({
      cause: "agent_restart",
      count: forks,
      firstNs: lastNs - durationNs,
      lastNs,
    });
    log.info("No agent watched for {ms} ms, in which the host made {forks} threads and processes", {
      ms: Number(durationNs / NS_PER_MS),
      forks,
      version,
      isClean,
    });
    return { isClean, durationNs, forks };
  }

  /** To be called about once a second, as long as events are handed over. */
  tick(): void {
    if (this.#file === undefined || this.#hasFailed) return;
    const sign = this.#sign;
    this.#sign = undefined;
    if (sign !== undefined) this.#write(sign, false);
    else if (++this.#turns % SIGN_TURNS === 0) this.#sign = this.#look();
  }

  /** The hooks are about to be detached. */
  end(): void {
    if (this.#file !== undefined) this.#end = this.#look();
  }

  /** The agent ends because it failed, so nobody knows what was handed over since the last sign. */
  fail(): void {
    this.#hasFailed = true;
  }

  /** All is handed over. */
  [Symbol.dispose](): void {
    if (this.#end !== undefined && !this.#hasFailed) this.#write(this.#end, true);
    this.#end = undefined;
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  #look(): Moment {
    const { clock } = this.#parts;
    const forks = this.#forks();
    return {
      boottimeNs: clock.boottimeNs(),
      wallNs: clock.wallNs(clock.monotonicNs()),
      ...(forks !== undefined && { forks }),
    };
  }

  /** "processes" of /proc/stat: every clone of a thread or process since boot, on all CPUs. */
  #forks(): number | undefined {
    const text = this.#files.readText("/proc/stat");
    const count = /^processes (\d{1,15})$/m.exec(text ?? "")?.[1];
    return count === undefined ? undefined : Number(count);
  }

  #write(moment: Moment, isClean: boolean): void {
    const { version } = this.#parts.payload.build();
    this.#try(() => this.#file?.write({ bootId: this.#bootId, isClean, version, ...moment }));
  }

  /** A directory that cannot be used must not end the agent, nor be told again and again. */
  #try<T>(use: () => T): T | undefined {
    try {
      return use();
    } catch (error) {
      if (!(error instanceof LastRunError)) throw error;
      this.#failures.value += 1;
      if (this.#failures.value === 1) {
        this.#parts.log.warn("{error}, continuing without a record of when no agent ran", {
          error,
          hint: error.hint,
        });
      }
      return undefined;
    }
  }
}
