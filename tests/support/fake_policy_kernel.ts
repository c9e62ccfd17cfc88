/**
 * The kernel's side of policies in memory: tables, programs that are only names, and calls that are
 * looked at as a program would.
 *
 * @module
 */
import type { PolicyKernelRoom } from "../../src/agent_policy_loading.ts";
import type { PolicyHit, PolicyValue } from "../../src/events/mod.ts";
import { MemoryTables } from "../../src/policy/evaluate/memory_tables.ts";
import type { CallValue } from "../../src/policy/evaluate/policy_call.ts";
import { simulateCall } from "../../src/policy/evaluate/simulate_call.ts";
import { type HookInUse, type KnownPast, pointText, type SipSecret } from "../../src/policy/mod.ts";
import { policyHit } from "./sample_policy_hits.ts";

/** A call of a system call. */
export interface FakeCall {
  readonly name: string;
  /** Set of the caller's cgroup. */
  readonly set?: number;
  readonly args?: readonly CallValue[];
  readonly tgid?: number;
  readonly timeNs?: bigint;
}

/** What runs is what was attached last. */
export class FakePolicyKernel implements PolicyKernelRoom {
  readonly secret: SipSecret = [1, 2, 3, 4];
  readonly tables = new MemoryTables();
  readonly limits: PolicyKernelRoom["limits"];
  /** Hooks that programs look at, "syscall openat". */
  hooks: string[] = [];
  readonly entered: KnownPast[] = [];
  /** Thrown by the next `attach()`. */
  failure: Error | undefined;
  /** Programs follow processes once a hook is attached. */
  followsProcesses = false;
  isCallUnderWay = false;
  isDisposed = false;
  readonly #ids = new Map<string, number>();

  constructor(limits: Partial<PolicyKernelRoom["limits"]> = {}) {
    this.limits = { rows: 2049 + 4096, slots: 1024, sets: 1024, ...limits };
  }

  attach(hooks: readonly HookInUse[]): void {
    const failure = this.failure;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    this.#setHooks(hooks);
  }

  detachUnused(hooks: readonly HookInUse[]): void {
    const used = hooks.map(({ point }) => pointText(point));
    this.hooks = this.hooks.filter((hook) => used.includes(hook));
  }

  hasCallUnderWay(): boolean {
    return this.isCallUnderWay;
  }

  enterProcesses(processes: Iterable<KnownPast>): number {
    this.entered.push(...processes);
    return 0;
  }

  programs(): string[] {
    if (this.hooks.length === 0) return [];
    return this.followsProcesses ? ["on_sys_enter", "on_policy_fork"] : ["on_sys_enter"];
  }

  skippedRuns(): number {
    return 0;
  }

  programInfo(): never[] {
    return [];
  }

  mapMemorySize(): number {
    return 0;
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
  }

  /** The hit of a call; undefined: nothing matches, or no program looks. */
  call({ name, set = 0, args = [], tgid = 60, timeNs = 1_000n }: FakeCall): PolicyHit | undefined {
    const point = { kind: "syscall", name } as const;
    const hook = this.#ids.get(pointText(point));
    if (hook === undefined || !this.hooks.includes(pointText(point))) return undefined;
    const process = {
      ...{ tgid, namespaceTgid: tgid, binary: undefined, givenName: undefined, ancestors: [] },
      ...{ namespaces: {} as never, capabilities: {} as never },
    };
    const context = { tables: this.tables, secret: this.secret, set, hook, trees: 0n };
    const { atCall } = simulateCall(context, { point, process, args, returned: 0n });
    const hits = atCall.filter(({ first }) => first !== 0n);
    if (hits.length === 0) return undefined;
    const effect =
      hits.flatMap(({ effects, enforce }) =>
        effects.map(({ kind, parameter, bits }) => ({
          kind: kind === 1 ? "signal" as const : "override" as const,
          parameter,
          isEnforced: (bits & enforce) !== 0n,
        }))
      )[0];
    return policyHit({
      ...{ hook, tgid, timeNs, isSilent: hits.every(({ post }) => post === 0n) },
      words: hits.map(({ index, first }) => ({ index, bits: first })),
      args: args.map(valueOf),
      ...(effect !== undefined && { effect }),
    });
  }

  #setHooks(hooks: readonly HookInUse[]): void {
    for (const { id, point } of hooks) this.#ids.set(pointText(point), id);
    this.hooks = hooks.map(({ point }) => pointText(point));
  }
}

function valueOf(value: CallValue): PolicyValue {
  if (value instanceof Uint8Array) {
    const text = { text: new TextDecoder().decode(value) };
    return { kind: "text", text, bytes: value, isCut: false, isUnreadable: false };
  }
  return { kind: "number", value: typeof value === "bigint" ? value : 0n };
}
