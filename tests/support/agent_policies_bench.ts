/**
 * The policies of an agent over a kernel in memory, with cgroups that come and go.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AgentPolicies } from "../../src/agent_policies.ts";
import type { PolicyEvent, PolicyHit, Workload } from "../../src/events/mod.ts";
import type { KernelAbilities, PolicyOutcome, RunningProcess } from "../../src/policy/mod.ts";
import { type CgroupListener, CgroupTable } from "../../src/state/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { FakePolicyKernel } from "./fake_policy_kernel.ts";
import { LoggedLines } from "./logged_lines.ts";
import { cgroupFact } from "./sample_cgroups.ts";
import { FakeClock } from "./sample_facts.ts";
import { PLAIN_KERNEL } from "./sample_kernels.ts";
import { samplePolicyEvent } from "./sample_policy_events.ts";

const HOST: Workload = { kind: "host", name: "host", id: "host", source: "kernel" };
export const S = 1_000_000_000n;

/** A policy on openat that looks at its path. */
export function openat(
  name: string,
  { path = "/etc/shadow", spec = "", kind = "TracingPolicy" } = {},
) {
  return `apiVersion: shrike.io/v1alpha1
kind: ${kind}
metadata: {name: ${name}}
spec:
${spec}  kprobes:
  - call: openat
    syscall: true
    args: [{index: 1, type: string}]
    selectors:
    - matchArgs: [{index: 1, operator: Equal, values: ["${path}"]}]
`;
}

export const KILLS = `      matchActions: [{action: Sigkill}]\n`;
export const WEB_ONLY = "  workloadSelector: {name: web}\n";

/** An agent's policies over a kernel in memory. */
export class AgentPoliciesBench {
  readonly kernel = new FakePolicyKernel();
  readonly clock = new FakeClock(100n * S);
  readonly counters = new Counters();
  readonly log = new LoggedLines();
  readonly table: CgroupTable | undefined;
  readonly policies: AgentPolicies;
  /** By tracking id. */
  readonly workloads = new Map<bigint, Workload>();
  readonly processes: RunningProcess[] = [];
  /** Sets by cgroup, as the kernel has them: what is made below one has its set. */
  readonly sets = new Map<bigint, number>();

  constructor({ abilities = PLAIN_KERNEL, followsCgroups = true }: {
    abilities?: KernelAbilities;
    followsCgroups?: boolean;
  } = {}) {
    const listeners: CgroupListener[] = [];
    const { counters, kernel, clock, log } = this;
    this.table = followsCgroups
      ? new CgroupTable({
        ...{ hierarchy: 0, counters },
        onChange: (...change) => listeners.forEach((listener) => listener(...change)),
      })
      : undefined;
    this.policies = new AgentPolicies({
      ...{ kernel, secret: kernel.secret, abilities, hostNamespaces: {}, clock, counters, log },
      cgroups: {
        table: this.table,
        observe: (listener) => void listeners.push(listener),
        setPolicySet: (id, _createdNs, set) => {
          this.sets.set(id, set);
          return true;
        },
        policySets: () => new Set(this.sets.values()),
      },
      workloadAt: ({ trackingId }) => this.workloads.get(trackingId) ?? HOST,
    });
    this.policies.follow({ processes: () => this.processes });
  }

  async add(text: string, options = {}): Promise<PolicyOutcome> {
    return await this.policies.add({ file: "p.yaml", text }, options);
  }

  /** All mistakes of adding it, one per line. */
  async refusal(text: string, options = {}): Promise<string> {
    const outcome = await this.add(text, options);
    assert.ok(!outcome.isDone);
    return outcome.complaints.map(({ line, text }) => `${line}: ${text}`).join("\n");
  }

  made(id: bigint, path: string, { parentId = 1n, workload = HOST, timeNs = 5n } = {}): void {
    this.workloads.set(id, workload);
    const set = this.sets.get(parentId);
    if (set !== undefined) this.sets.set(id, set);
    this.table?.apply(cgroupFact("cgroup_created", { id, path, parentId }, timeNs));
  }

  /** Waits until all that is under way is done. */
  async quiet(): Promise<void> {
    await this.policies.plan({ file: "p.yaml", text: openat("nobody") });
  }

  /** A process of the cgroup opens a file. */
  open(path = "/etc/shadow", cgroupId = 1n, timeNs = 1_000n): PolicyHit | undefined {
    const args = [0n, new TextEncoder().encode(path)];
    return this.kernel.call({ name: "openat", set: this.sets.get(cgroupId) ?? 0, args, timeNs });
  }

  tell(hit: PolicyHit | undefined): readonly PolicyEvent[] {
    if (hit === undefined) return [];
    return this.policies.teller.take(hit, false, ({ timeNs }) => ({ ...CONTEXT, timeNs }));
  }

  /** Policies that tell of it. */
  seen(...where: Parameters<AgentPoliciesBench["open"]>): string[] {
    return this.tell(this.open(...where)).map(({ policy }) => policy.name).sort();
  }
}

const { subject, cpu, marks } = samplePolicyEvent();
const CONTEXT = { subject, cpu, marks };
