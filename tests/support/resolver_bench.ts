/**
 * A resolver with time that stands still and a runtime that answers what the test says.
 *
 * @module
 */
import type { Workload } from "../../src/events/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import type { CgroupIdentity } from "../../src/workloads/cgroup_workloads.ts";
import type { Answerer } from "../../src/workloads/lookups.ts";
import {
  RuntimeError,
  type RuntimeFacts,
  type Subject,
} from "../../src/workloads/runtime/runtime_client.ts";
import {
  type LinkEvents,
  type ResolverOptions,
  WorkloadResolver,
} from "../../src/workloads/workload_resolver.ts";
import { FakeTimers } from "./fake_timers.ts";

/** Whole container ids. */
export const A = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
export const B = A.replaceAll("a", "b");

/** What the runtime says about an id. */
export type Answer = RuntimeFacts | "unknown" | "failed";

/** Resolver, time and runtime. */
export class ResolverBench {
  readonly timers = new FakeTimers();
  readonly counters = new Counters();
  readonly learned: (readonly [bigint, Workload])[] = [];
  readonly asked: string[] = [];
  readonly answers = new Map<string, Answer>();
  hasRuntime = true;
  /** A better runtime, asked first, while set. */
  first: Answerer | undefined;
  /** While set, answers wait for it. */
  gate: Promise<void> | undefined;
  events!: LinkEvents;
  readonly resolver: WorkloadResolver;

  constructor(change: Partial<ResolverOptions> = {}) {
    const answerer: Answerer = { lookUp: (subject) => this.#answer(subject) };
    this.resolver = new WorkloadResolver({
      cgroupsMax: 100,
      subjectsMax: 50,
      removalDelayMs: 60_000,
      context: {},
      counters: this.counters,
      timers: this.timers,
      onLearned: ({ id }, workload) => this.learned.push([id, workload]),
      openLinks: (events) => {
        this.events = events;
        return { start() {}, linksFor: () => this.#links(answerer), close() {} };
      },
      ...change,
    });
    this.resolver.start();
  }

  resolve(path: string | undefined, id = 1n, change: Partial<CgroupIdentity> = {}): Workload {
    const cgroup = { hierarchy: 0, id, createdNs: 1n, path, pathSource: "kernel", ...change };
    return this.resolver.resolve(cgroup as CgroupIdentity);
  }

  entered(path: string | undefined, id: bigint, from: Workload): Workload {
    return this.resolver.entered(
      { hierarchy: 0, id, createdNs: 1n, path, pathSource: "kernel" },
      from,
    );
  }

  #links(answerer: Answerer): Answerer[] {
    if (!this.hasRuntime) return [];
    return this.first === undefined ? [answerer] : [this.first, answerer];
  }

  async #answer({ id }: Subject): Promise<RuntimeFacts | undefined> {
    this.asked.push(id);
    await this.gate;
    const answer = this.answers.get(id) ?? "unknown";
    if (answer === "failed") throw new RuntimeError("docker", "timeout", "told so");
    return answer === "unknown" ? undefined : answer;
  }
}

/** Facts of a container of Docker. */
export function named(id: string, name: string): RuntimeFacts {
  return { container: { runtime: "docker", id, name } };
}

/** What tells how well a workload is known. */
export function state({ name, source, reason }: Workload): (string | undefined)[] {
  return [name, source, reason];
}
