/**
 * Policies into the kernel and out of it: sets of workloads, tables and programs in one step.
 *
 * @module
 */
import { PolicyCoverage, type PolicyCoverageParts } from "./agent_policy_coverage.ts";
import type { PolicyKernel } from "./enforcement/mod.ts";
import { LoadError } from "./loader/mod.ts";
import {
  complaintAt,
  type KnownPast,
  pastsOf,
  type Policy,
  type PolicyComplaint,
  type PolicyRecord,
  PolicyRefusal,
  PolicyTables,
  type RunningProcess,
  shortestName,
  type SipSecret,
} from "./policy/mod.ts";
import { readGivenName } from "./state/mod.ts";
import type { Clock, Counters, Log } from "./telemetry/mod.ts";

/** What policies ask of the kernel. */
export type PolicyKernelRoom =
  & Disposable
  & Pick<
    PolicyKernel,
    | "tables"
    | "limits"
    | "attach"
    | "detachUnused"
    | "hasCallUnderWay"
    | "enterProcesses"
    | "programs"
    | "skippedRuns"
    | "programInfo"
    | "mapMemorySize"
  >;

/** What loading works with. */
export interface PolicyLoadingParts {
  readonly kernel: PolicyKernelRoom;
  /** The one that the kernel hashes with. */
  readonly secret: SipSecret;
  readonly cgroups: PolicyCoverageParts["cgroups"];
  readonly workloadAt: PolicyCoverageParts["workloadAt"];
  /** Cgroups wait for `settle()`. */
  readonly onWaiting: () => void;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

/** A policy that comes. */
export interface LoadedPolicy {
  readonly record: PolicyRecord;
  /** What the tables get; becomes that of the record. */
  readonly policy: Policy;
  readonly isEnabled: boolean;
}

/** Records that have the bits of a policy that is gone are read by then. */
const REST_MS = 10_000;
/** A tick counts for so much at most: while the agent stood still, no records were read. */
const TICK_MAX_MS = 2_000;
const NS_PER_MS = 1_000_000n;
const WATCHING_PROGRAM = "on_policy_fork";

/** What is in the kernel. Its steps must not meet. */
export class PolicyLoading {
  readonly tables: PolicyTables;
  readonly coverage: PolicyCoverage;
  readonly #parts: PolicyLoadingParts;
  /** Also of policies that are gone and whose matches are still to be told. */
  readonly #records = new WeakMap<Policy, PolicyRecord>();
  /** Says what runs. */
  processes: () => Iterable<RunningProcess> = () => [];
  readonly #treesEntered = new WeakSet<object>();
  /** Time in which records were read. */
  #turnedMs = 0;
  #tickedNs: bigint;

  constructor(parts: PolicyLoadingParts) {
    this.#parts = parts;
    const { kernel, secret, cgroups, workloadAt, onWaiting, clock, counters } = parts;
    this.#tickedNs = clock.monotonicNs();
    this.coverage = new PolicyCoverage({
      ...{ cgroups, workloadAt, onWaiting, clock, counters, setsMax: kernel.limits.sets },
      tables: () => this.tables,
      modeOf: (policy) => this.recordOf(policy)?.mode ?? policy.mode,
    });
    const { sets } = this.coverage;
    this.tables = new PolicyTables({
      ...{ writer: kernel.tables, secret },
      concerns: (...which) => sets.concerns(...which),
      ...{ rowsMax: kernel.limits.rows, slotsMax: kernel.limits.slots },
      isWeaklyOrdered: Deno.build.arch !== "x86_64",
      now: () => this.#turnedMs,
    });
  }

  /** The record of a policy as the tables have it, or had it until a while ago. */
  recordOf(policy: Policy): PolicyRecord | undefined {
    return this.#records.get(policy);
  }

  /** The only way into the kernel. Gives what stands against it; then nothing has changed. */
  async replace(
    comes: readonly LoadedPolicy[],
    goes: readonly Policy[],
  ): Promise<PolicyComplaint | undefined> {
    const { sets } = this.coverage;
    const policies = comes.map(({ policy }) => policy);
    if (!sets.isAsking && policies.some(asksForWorkloads)) this.coverage.begin();
    const disabled = new Set(
      comes.filter(({ isEnabled }) => !isEnabled).map(({ policy }) => policy),
    );
    for (const { record, policy } of comes) this.#records.set(policy, record);
    try {
      const staged = await sets.stage({ comes: policies, goes, disabled });
      for (const [old, renewed] of staged.renewed) {
        this.#records.set(renewed, this.#records.get(old)!);
      }
      try {
        await this.tables.change({ ...staged, beforeSeen: () => this.#attach() });
      } catch (error) {
        sets.discard(staged);
        throw error;
      }
      sets.conclude(staged, goes);
      for (const renewed of staged.renewed.values()) {
        this.#records.get(renewed)!.policy = renewed;
      }
    } catch (error) {
      this.#parts.kernel.detachUnused(this.tables.hooks());
      return this.#explain(error, policies);
    }
    for (const { record, policy, isEnabled } of comes) {
      record.policy = policy;
      record.state = isEnabled ? "enabled" : "disabled";
    }
    await sets.settle();
    return undefined;
  }

  /** Programs run before anything can match, and know what ran before them. */
  async #attach(): Promise<void> {
    const { kernel, secret, log } = this.#parts;
    const wasWatching = kernel.programs().includes(WATCHING_PROGRAM);
    kernel.attach(this.tables.hooks());
    if (!kernel.programs().includes(WATCHING_PROGRAM)) return;
    const trees = this.tables.trees();
    const fresh = wasWatching ? trees.filter((tree) => !this.#treesEntered.has(tree)) : trees;
    if (wasWatching && fresh.length === 0) return;
    const options = { secret, onlyTrees: wasWatching, givenName };
    const lost = await enterInSlices(kernel, pastsOf(this.processes(), fresh, options));
    for (const tree of fresh) this.#treesEntered.add(tree);
    if (lost === 0) return;
    log.warn("What {count} processes ran before policies came is not known to the kernel", {
      count: lost,
      hint: "policies that follow processes, or the name they were given, may miss them",
    });
  }

  /** To be called about once a second, while records are read. */
  tick(): void {
    const nowNs = this.#parts.clock.monotonicNs();
    this.#turnedMs += Math.min(Number((nowNs - this.#tickedNs) / NS_PER_MS), TICK_MAX_MS);
    this.#tickedNs = nowNs;
  }

  /** Cgroups that wait get their sets; what nobody needs any more is given back. */
  async tidy(): Promise<void> {
    const { kernel } = this.#parts;
    const { sets } = this.coverage;
    await sets.settle();
    await sets.tick(this.#turnedMs);
    this.tables.reclaim(({ hook, word, bits, sinceMs }) =>
      this.#turnedMs - sinceMs >= REST_MS && !kernel.hasCallUnderWay(hook, word, bits)
    );
    kernel.detachUnused(this.tables.hooks());
  }

  #explain(error: unknown, policies: readonly Policy[]): PolicyComplaint {
    const place = policies[0]?.place ?? { file: "", line: 1, column: 1 };
    if (error instanceof PolicyRefusal) {
      const { reason: text, hint } = error;
      return complaintAt(error.place ?? place, { text, hint });
    }
    if (error instanceof LoadError) {
      return complaintAt(place, { text: error.message, hint: error.hint });
    }
    throw error;
  }
}

/** Whether it is not about all workloads alike. */
export function asksForWorkloads({ workloads, hooks }: Policy): boolean {
  return workloads.length > 0 ||
    hooks.some(({ selectors }) => selectors.some(({ workloads }) => workloads.length > 0));
}

/** Other work of the agent waits no longer than this. */
const SLICE_MS = 10;
const SLICE_SIZE = 32;

/** How many found no room. */
async function enterInSlices(
  kernel: Pick<PolicyKernelRoom, "enterProcesses">,
  pasts: Iterable<KnownPast>,
): Promise<number> {
  let lost = 0;
  let sinceMs = performance.now();
  let slice: KnownPast[] = [];
  for (const past of pasts) {
    if (slice.push(past) < SLICE_SIZE) continue;
    lost += kernel.enterProcesses(slice);
    slice = [];
    if (performance.now() - sinceMs < SLICE_MS) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    sinceMs = performance.now();
  }
  return lost + kernel.enterProcesses(slice);
}

/** From the root on; a script is known by nothing else. */
function givenName(tgid: number): Uint8Array | undefined {
  const found = readGivenName(tgid);
  return found === undefined ? undefined : shortestName(found.name, found.directory);
}
