/**
 * The policies of an agent in the running kernel, with one workload that they can select, in a
 * cgroup of the bench's own.
 *
 * @module
 */
import { ClockId, openLibc } from "../../ffi/mod.ts";
import { AgentPolicies } from "../../src/agent_policies.ts";
import type { PolicyOutcome, PolicySource } from "../../src/policy/mod.ts";
import { type CgroupListener, CgroupTable } from "../../src/state/mod.ts";
import { Counters, SystemClock } from "../../src/telemetry/mod.ts";
import { LoggedLines } from "../support/logged_lines.ts";
import { PolicyKernelBench } from "../support/policy_kernel_bench.ts";
import { cgroupFact } from "../support/sample_cgroups.ts";
import { PLAIN_KERNEL } from "../support/sample_kernels.ts";
import { samplePolicyEvent } from "../support/sample_policy_events.ts";
import { PolicyWorkload } from "./policy_workload.ts";

/** What `workloadSelector` names. */
export const WORKLOAD_NAME = "bench";
const { subject, cpu, marks } = samplePolicyEvent();
/** Who called does not matter here. */
const CONTEXT = { subject, cpu, marks };
const HOST = { kind: "host", name: "host", id: "host", source: "kernel" } as const;

/** Owns all of it. */
export class PolicyAgent {
  readonly kernel = new PolicyKernelBench();
  readonly counters = new Counters();
  readonly workload: PolicyWorkload;
  readonly policies: AgentPolicies;
  readonly #libc = openLibc();

  constructor(program: string) {
    const { kernel, counters } = this;
    this.workload = new PolicyWorkload(program, kernel.cgroup);
    const listeners: CgroupListener[] = [];
    const table = new CgroupTable({
      ...{ hierarchy: 0, counters },
      onChange: (...change) => listeners.forEach((listener) => listener(...change)),
    });
    const { id, path } = kernel.cgroup;
    this.policies = new AgentPolicies({
      ...{ kernel: kernel.kernel, secret: kernel.secret, counters, log: new LoggedLines() },
      ...{ abilities: PLAIN_KERNEL, hostNamespaces: {}, processes: () => [] },
      clock: new SystemClock((clock) => this.#libc.clockGettimeNs(ClockId[clock])),
      cgroups: {
        table,
        observe: (listener) => void listeners.push(listener),
        setPolicySet: (...order) => kernel.cgroups.setPolicySet(...order),
        policySets: () => kernel.cgroups.policySets(),
      },
      workloadAt: ({ trackingId }) => trackingId === id ? { ...HOST, name: WORKLOAD_NAME } : HOST,
    });
    const { createdNs, parentId } = kernel.cgroups.find(id)!;
    table.apply(cgroupFact("cgroup_created", { id, path, parentId, createdNs }, createdNs));
  }

  /** @throws {Error} it is refused. */
  async add(source: PolicySource): Promise<PolicyOutcome> {
    const outcome = await this.policies.add(source, { isWholeFile: true });
    if (!outcome.isDone) throw new Error(outcome.complaints.map(({ text }) => text).join("\n"));
    return outcome;
  }

  /** Of records that have come since this was last asked, the policies, in order. */
  takeNames(): string[] {
    return this.kernel.take().flatMap((hit) =>
      this.policies.teller.take(hit, false, ({ timeNs }) => ({ ...CONTEXT, timeNs }))
    ).map(({ policy }) => policy.name);
  }

  nowNs(): bigint {
    return this.#libc.clockGettimeNs(ClockId.monotonic);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workload[Symbol.asyncDispose]();
    await this.policies.end();
    this.kernel.close();
    this.#libc[Symbol.dispose]();
  }
}
