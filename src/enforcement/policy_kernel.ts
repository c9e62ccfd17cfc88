/**
 * Policies in the kernel: the tables, and the programs that look at them. Programs run only while a
 * policy needs them, because system calls pay for each look.
 *
 * @module
 */
import type { BpfMap, BpfObject, Libbpf, Libc } from "../../ffi/mod.ts";
import {
  isKernelSince,
  LoadError,
  type MapEntries,
  type Payload,
  readManifest,
} from "../loader/mod.ts";
import {
  type Architecture,
  type HookInUse,
  type KernelAbilities,
  type KnownPast,
  type SipSecret,
  SOCKETCALL_NUMBER,
  syscallPlaces,
  type TableWriter,
} from "../policy/mod.ts";
import type { SensorGlobals } from "../sensors/mod.ts";
import type { Counters } from "../telemetry/mod.ts";
import { PolicyLimit } from "../wire/mod.ts";
import { HookPrograms } from "./hook_programs.ts";
import { KERNEL_COUNTS } from "./kernel_counts.ts";
import { hasKeptBits, KEPT_CALLS } from "./kept_calls.ts";
import { KernelTables } from "./kernel_tables.ts";
import { ProbedAbilities } from "./probed_abilities.ts";
import { enterProcesses } from "./process_pasts.ts";
import { hookError, loadPart, type ObjectSource, ProgramPart } from "./program_part.ts";

/** What `PolicyKernel` works with. */
export interface PolicyKernelOptions {
  readonly libbpf: Libbpf;
  readonly libc: Pick<Libc, "mmap" | "pageSize" | "waitForGracePeriod">;
  readonly payload: Pick<Payload, "read">;
  /** Maps of the sensors: records, record_drops, cgroups, cgroup_counts. */
  readonly sensorMap: (name: string) => BpfMap | undefined;
  /** Which hierarchy is followed, as for the sensors. */
  readonly cgroupGlobals: SensorGlobals;
  readonly secret: SipSecret;
  /** The agent, by its tgid in its own pid namespace, to which nothing is ever done. */
  readonly agent: { readonly tgid: number; readonly pidNamespace: number };
  /** Numbers of the CPUs that may ever run. */
  readonly possibleCpus: readonly number[];
  readonly counters: Counters;
  /** What the kernel can do; asked of it unless given. */
  readonly abilities?: KernelAbilities;
  /** Rows of maps, where they are not to be what the object says. */
  readonly mapEntries?: MapEntries;
  /** Deferred calls that each may have, where that is not to be what the object says. */
  readonly shares?: SensorGlobals;
  /** Kernel release and machine, unless a test has others. */
  readonly release?: string;
  readonly architecture?: Architecture;
}

const OBJECT = "policy";
const HOOKS_OBJECT = "policy_hooks";
const SENSOR_MAPS = ["records", "record_drops", "cgroups", "cgroup_counts"];

/**
 * Parts, and their programs in the order they are attached. A spare takes what the kernel has
 * skipped the other program for, see `bpf/include/preemption.bpf.h`.
 */
const PARTS = {
  processes: [
    { name: "on_policy_exit", spare: "on_pexit_spare" },
    { name: "on_policy_exec", spare: "on_pexec_spare" },
    { name: "on_policy_fork", spare: "on_pfork_spare" },
  ],
  ends: [{ name: "on_thread_end", spare: "on_end_spare" }],
  images: [{ name: "on_call_image", spare: "on_image_spare" }],
  returns: [{ name: "on_sys_exit", spare: "on_exit_spare" }],
  calls: [{ name: "on_sys_enter", spare: "on_enter_spare" }],
} as const;
/** Before, tracepoints run with preemption off, and no program is skipped. */
const SPARES_SINCE = [7, 0] as const;
type PartName = keyof typeof PARTS;
const PART_NAMES = Object.keys(PARTS) as PartName[];

/** Tables and programs. Owns everything but the sensors' maps. */
export class PolicyKernel {
  /** The tables, to be filled. */
  readonly tables: TableWriter;
  readonly abilities: KernelAbilities;
  readonly #options: PolicyKernelOptions;
  readonly #architecture: Architecture;
  readonly #source: ObjectSource;
  readonly #object: BpfObject;
  readonly #tables: KernelTables;
  readonly #hooks: HookPrograms;
  readonly #parts = new Map<PartName, ProgramPart>();
  /** Places in policy_syscalls by hook. */
  readonly #syscalls = new Map<number, readonly number[]>();
  /** Hooks whose calls may be under way that are told at their end. */
  readonly #returning = new Set<number>();
  /** Those of them that may have replaced the memory they were given by then. */
  readonly #images = new Set<number>();
  /** Of parts that have ended. */
  #skippedRunsBefore = 0;

  /**
   * Makes the tables; no program is loaded yet.
   *
   * @throws {LoadError} the kernel refuses; nothing stays loaded.
   */
  constructor(options: PolicyKernelOptions) {
    this.#options = options;
    this.#architecture = options.architecture ?? Deno.build.arch;
    const { libbpf, payload } = options;
    this.abilities = options.abilities ?? new ProbedAbilities({ libbpf, payload });
    const source = openSource(options, OBJECT);
    this.#object = loadPart(source, []);
    try {
      const shared = new Map(source.shared);
      for (const map of this.#object.maps) {
        if (map.name.startsWith("policy_") && map.name !== "policy_work") shared.set(map.name, map);
      }
      this.#source = { ...source, shared };
      this.#hooks = new HookPrograms({
        source: { ...openSource(options, HOOKS_OBJECT), shared },
        abilities: this.abilities,
      });
      const map = (name: string) => this.#object.map(name);
      this.#tables = new KernelTables({ map, libc: options.libc });
      this.tables = this.#tables;
      this.#registerCounts();
    } catch (error) {
      this.#object[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Makes programs run for these hooks, which are all that are in use; the tables have all of them
   * but masks.
   *
   * @throws {LoadError} a hook cannot be had; what ran before still runs, and nothing else.
   */
  attach(hooks: readonly HookInUse[]): void {
    if (hooks.length === 0) return;
    const places = new Map<number, readonly number[]>();
    for (const { id, point } of hooks) {
      if (point.kind === "syscall") places.set(id, this.#placesOf(point.name));
    }
    const deferring = [...places.keys()].filter((hook) => this.#tables.isDeferring(hook));
    const returning = [...places.keys()].filter((hook) => this.#tables.isReturning(hook));
    const images = hooks.filter(({ id, point }) => deferring.includes(id) && isExec(point));
    returning.push(...deferring);
    const wanted: PartName[] = places.size > 0 ? ["calls"] : [];
    if (returning.length > 0) wanted.unshift("returns");
    if (images.length > 0) wanted.unshift("images");
    if (deferring.length > 0) wanted.unshift("ends");
    if (this.#tables.looksAtPast) wanted.unshift("processes");
    const added: PartName[] = [];
    try {
      for (const name of wanted) {
        if (this.#parts.has(name)) continue;
        this.#parts.set(name, new ProgramPart(this.#source, this.#programsOf(name)));
        added.push(name);
      }
      this.#hooks.attach(hooks.map(({ id, point }) => ({
        ...{ id, point, returns: this.#tables.isReturning(id) },
        overrides: this.#tables.isOverriding(id),
      })));
    } catch (error) {
      for (const name of added.reverse()) this.#endPart(name);
      throw error;
    }
    this.#forgetHooks((hook, indexes) => places.get(hook)?.join() !== indexes.join());
    for (const hook of returning) this.#returning.add(hook);
    for (const { id } of images) this.#images.add(id);
    for (const [hook, indexes] of places) {
      if (this.#syscalls.has(hook)) continue;
      this.#syscalls.set(hook, indexes);
      for (const index of indexes) this.#tables.setSyscall(index, hook);
    }
    this.#updateMultiplexed();
  }

  /** Ends what none of `hooks` needs: those in use, and those with calls that may still end. */
  detachUnused(hooks: readonly HookInUse[]): void {
    const used = new Set(hooks.map(({ id }) => id));
    this.#forgetHooks((hook) => !used.has(hook));
    this.#updateMultiplexed();
    this.#hooks.keepOnly((hook) => used.has(hook));
    if (this.#syscalls.size === 0) this.#endPart("calls");
    if (this.#returning.size === 0) {
      this.#endPart("returns");
      this.#endPart("ends");
    }
    if (this.#images.size === 0) this.#endPart("images");
    const hasHooks = this.#syscalls.size + this.#hooks.size > 0;
    if (!this.#tables.looksAtPast || !hasHooks) this.#endPart("processes");
  }

  /** What the tables have room for. */
  get limits(): { readonly rows: number; readonly slots: number; readonly sets: number } {
    const entries = (name: string) => this.#object.map(name).maxEntries;
    return {
      rows: entries("policy_rows"),
      slots: entries("policy_slots"),
      sets: Math.floor(entries("policy_masks") / PolicyLimit.POLICY_HOOKS_MAX),
    };
  }

  /** Programs that run, spares left aside. */
  programs(): string[] {
    const parts = [...this.#parts.keys()].flatMap((part) => PARTS[part].map(({ name }) => name));
    return [...parts, ...this.#hooks.programs()];
  }

  /** What the kernel counts about each program that runs. */
  programInfo(): ReturnType<ProgramPart["info"]> {
    return [...[...this.#parts.values()].flatMap((part) => part.info()), ...this.#hooks.info()];
  }

  /**
   * Runs that the kernel skipped because the program was running on that CPU already. Where there
   * is a spare, a run is lost only when both were skipped, so the smaller count is the most it can
   * be.
   */
  skippedRuns(): number {
    return [...this.#parts.keys()].reduce(
      (sum, part) => sum + this.#skippedRunsOf(part),
      this.#skippedRunsBefore + this.#hooks.skippedRuns(),
    );
  }

  /** Kernel memory of all maps of policies, bytes. */
  mapMemorySize(): number {
    let size = 0;
    for (const [name, map] of this.#source.shared) {
      if (!SENSOR_MAPS.includes(name)) size += map.memlockBytes();
    }
    for (const part of this.#parts.values()) size += part.mapMemorySize(this.#source.shared);
    return size + this.#hooks.mapMemorySize();
  }

  /** What the kernel has counted under a `PolicyCount`, on all CPUs. */
  count(which: number): number {
    const value = this.#object.map("policy_counts").lookup(
      new Uint8Array(new Uint32Array([which]).buffer),
    );
    let sum = 0n;
    for (const count of new BigUint64Array(value?.buffer ?? new ArrayBuffer(0))) sum += count;
    return Number(sum);
  }

  /** Whether a call under way has kept any of these bits for its end. Reads all such calls. */
  hasCallUnderWay(hook: number, word: number, bits: bigint): boolean {
    const map = this.#object.map("policy_calls");
    return hasKeptBits(map, KEPT_CALLS, { hook, word, bits }) ||
      this.tables.isDeferred(hook, word, bits);
  }

  /**
   * Enters what is known of processes that were there before the programs; what those have entered
   * themselves stays, but for the trees, to which the given ones are added.
   *
   * @returns how many found no room.
   */
  enterProcesses(processes: Iterable<KnownPast>): number {
    return enterProcesses(this.#object.map("policy_processes"), processes);
  }

  /** @throws {LoadError} this machine has no such system call. */
  #placesOf(name: string): number[] {
    const { native, compat, socketcalls } = syscallPlaces(name, this.#architecture);
    if (native.length + compat.length + socketcalls.length === 0) {
      throw hookError(
        { kind: "syscall", name },
        `${this.#architecture} has no system call of this name`,
        "leave the hook out on such machines, or hook the call that stands for it there",
      );
    }
    const tableSize = PolicyLimit.POLICY_SYSCALLS_MAX;
    return [
      ...native,
      ...compat.map((number) => tableSize + number),
      ...socketcalls.map((call) => 2 * tableSize + call),
    ];
  }

  /** Numbers of hooks are used again, for another call. */
  #forgetHooks(isGone: (hook: number, indexes: readonly number[]) => boolean): void {
    for (const [hook, indexes] of this.#syscalls) {
      if (!isGone(hook, indexes)) continue;
      for (const index of indexes) this.#tables.setSyscall(index, undefined);
      this.#syscalls.delete(hook);
      this.#returning.delete(hook);
      this.#images.delete(hook);
    }
  }

  /** socketcall(2) is looked into while a hook may be behind it. */
  #updateMultiplexed(): void {
    const tableSize = PolicyLimit.POLICY_SYSCALLS_MAX;
    const isUsed = [...this.#syscalls.values()].some((indexes) =>
      indexes.some((index) => index >= 2 * tableSize)
    );
    const hook = isUsed ? PolicyLimit.POLICY_SYSCALL_MULTIPLEXED - 1 : undefined;
    this.#tables.setSyscall(tableSize + SOCKETCALL_NUMBER, hook);
  }

  #endPart(name: PartName): void {
    const part = this.#parts.get(name);
    if (part === undefined) return;
    this.#skippedRunsBefore += this.#skippedRunsOf(name);
    part[Symbol.dispose]();
    this.#parts.delete(name);
  }

  #programsOf(part: PartName): string[] {
    const hasSpares = isKernelSince(this.#source.release, SPARES_SINCE);
    return PARTS[part].flatMap(({ name, spare }) => hasSpares ? [name, spare] : [name]);
  }

  #skippedRunsOf(part: PartName): number {
    const counts = new Map(
      this.#parts.get(part)!.info().map((info) => [info.program, Number(info.recursionMisses)]),
    );
    return PARTS[part].reduce(
      (sum, { name, spare }) => sum + Math.min(counts.get(name)!, counts.get(spare) ?? Infinity),
      0,
    );
  }

  #registerCounts(): void {
    const { counters } = this.#options;
    for (const [which, [name, help]] of Object.entries(KERNEL_COUNTS)) {
      counters.counterOf(name, help, {}, () => this.count(Number(which)));
    }
    counters.counterOf(
      "shrike_policy_skipped_runs_total",
      "Calls that no policy has seen, because the kernel skipped the program",
      {},
      () => this.skippedRuns(),
    );
  }

  /** Detaches and frees everything. Safe to call twice. */
  [Symbol.dispose](): void {
    this.#hooks[Symbol.dispose]();
    for (const name of PART_NAMES.toReversed()) this.#endPart(name);
    this.#tables[Symbol.dispose]();
    this.#object[Symbol.dispose]();
  }
}

function openSource(options: PolicyKernelOptions, object: string): ObjectSource {
  const { libbpf, payload, sensorMap, secret, agent, possibleCpus } = options;
  const entry = readManifest(payload)[object];
  if (entry === undefined) {
    throw new LoadError("policies", "the program carries no object for them", {
      obstacle: "build_mismatch",
      hint: "run `deno task build`",
    });
  }
  const [low0, high0, low1, high1] = secret.map((half) => BigInt(half >>> 0));
  const shared = new Map<string, BpfMap>();
  for (const name of SENSOR_MAPS) {
    const map = sensorMap(name);
    if (map !== undefined) shared.set(name, map);
  }
  return {
    ...{ libbpf, name: "policies", bytes: payload.read(`bpf/${entry.file}`), entry, shared },
    globals: {
      ...options.cgroupGlobals,
      policy_secret_0: low0! | high0! << 32n,
      policy_secret_1: low1! | high1! << 32n,
      policy_agent_tgid: agent.tgid,
      policy_agent_pid_ns: agent.pidNamespace,
      ...(object === OBJECT && options.shares),
    },
    entries: options.mapEntries ?? {},
    cpuIdMax: Math.max(...possibleCpus),
    release: options.release ?? Deno.osRelease(),
  };
}

/** System calls that replace the memory they were given. */
function isExec({ kind, name }: HookInUse["point"]): boolean {
  return kind === "syscall" && (name === "execve" || name === "execveat");
}
