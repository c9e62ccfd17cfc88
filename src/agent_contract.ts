/**
 * What the rooms of an agent are made with and asked, and how they are entered.
 *
 * @module
 */
import type { Libbpf, Libc } from "../ffi/mod.ts";
import type { AgentCgroups, AgentCgroupsParts } from "./agent_cgroups.ts";
import type { AgentControl, AgentControlParts } from "./agent_control.ts";
import type { AgentMetrics, AgentMetricsParts } from "./agent_metrics.ts";
import type { AgentNetwork } from "./agent_network.ts";
import type { AgentPolicies } from "./agent_policies.ts";
import type { AgentPresence, AgentPresenceParts } from "./agent_presence.ts";
import type { AgentWorkloads, AgentWorkloadsParts, WorkloadListener } from "./agent_workloads.ts";
import type { RecordSource } from "./capture/mod.ts";
import type { Config } from "./config/mod.ts";
import type { AgentEvent, ProcessFound } from "./events/mod.ts";
import type { EventSink } from "./export/mod.ts";
import type { KernelDrops, LoadedSensors, MapEntries, Payload } from "./loader/mod.ts";
import type { NetworkService } from "./network/mod.ts";
import type { PipelineOptions, PipelineParts } from "./pipeline/mod.ts";
import type { PolicyService } from "./policy/mod.ts";
import type { SensorSettings } from "./sensors/mod.ts";
import type { CachedProcess, ProcessReader } from "./state/mod.ts";
import type { Clock, Counters, Log, LossLedger, SystemClock } from "./telemetry/mod.ts";

/** What sinks are made with. */
export interface SinkParts {
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
  readonly libc: Libc;
}

/** The agent's surroundings. */
export interface AgentOptions {
  readonly config: Config;
  readonly nodeName: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly counters: Counters;
  /** Makes the sinks; the agent closes them. */
  openSinks(parts: SinkParts): readonly EventSink[];
  /** Tell the pipeline to emit forks although the config does not, for filters that follow them. */
  readonly needsForks: boolean;
  log(room: string): Log;
}

/** The rings' readers. */
export interface Capture extends RecordSource {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Follows CPUs that come and go. */
  checkCpus(): Promise<void>;
  /** Whether the shared ring of a CPU was full since the last question. */
  wasStalled(cpu: number): boolean;
}

/** What a capture is made with. */
export interface CaptureParts {
  readonly payload: Payload;
  readonly recordsMapFd: number;
  readonly config: Config;
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
  readonly log: Log;
  /** No more records will come. */
  onFailure(error: Error): void;
}

/** What the kernel's losses are read with. */
export interface DropsParts {
  readonly sensors: LoadedSensors;
  readonly policies: Pick<PolicyRoom, "skippedRuns"> | undefined;
  readonly capture: Pick<Capture, "wasStalled">;
  readonly config: Pick<Config, "reattachHooks">;
  readonly log: Log;
  readonly counters: Counters;
  readonly losses: LossLedger;
  readonly clock: Clock;
}

/** What a cache and a pipeline are made with. */
export interface PipelineInput extends Omit<PipelineParts, "cache" | "decoders" | "cgroups"> {
  readonly cgroups: PipelineParts["cgroups"] | undefined;
  readonly workloads: Pick<WorkloadRoom, "identityOf" | "entered">;
  readonly nodeName: string;
  readonly config: Config;
  readonly options: PipelineOptions;
}

/** What the agent asks of its cgroups. */
export type CgroupRoom = Pick<
  AgentCgroups,
  | "settings"
  | "mapEntries"
  | "table"
  | "observe"
  | "trackBy"
  | "retrack"
  | "open"
  | "scan"
  | "placeOf"
  | "onAttached"
  | "setPolicySet"
  | "policySets"
  | "tick"
>;

/** What the agent asks of its workloads. */
export type WorkloadRoom =
  & Pick<AgentWorkloads, "start" | "listen" | "identityOf" | "entered" | "workloadAt">
  & Disposable;

/** What the agent asks of its presence. */
export type PresenceRoom = Pick<AgentPresence, "begin" | "tick" | "end" | "fail"> & Disposable;

/** What the agent asks of its policies. */
export type PolicyRoom =
  & Pick<AgentPolicies, "teller" | "follow" | "tick" | "amend" | "skippedRuns" | "end">
  & Pick<AgentPolicies, "programInfo" | "mapMemorySize">
  & PolicyService;

/** What the agent asks of its network. */
export type NetworkRoom =
  & Pick<AgentNetwork, "teller" | "attached" | "follow" | "start" | "tick" | "onProcess" | "end">
  & NetworkService;

/** What the network is made with. */
export interface NetworkParts {
  readonly config: Config;
  readonly libc: Libc;
  readonly sensors: LoadedSensors;
  readonly cgroups: Pick<CgroupRoom, "table" | "observe">;
  readonly workloads: Pick<WorkloadRoom, "workloadAt">;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

/** What policies are made with. */
export interface PolicyParts {
  readonly libbpf: Libbpf;
  readonly libc: Libc;
  readonly payload: Payload;
  readonly sensors: LoadedSensors;
  readonly cgroups: Pick<
    CgroupRoom,
    "settings" | "table" | "observe" | "setPolicySet" | "policySets"
  >;
  readonly workloads: Pick<WorkloadRoom, "workloadAt">;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

/** What the agent asks of its metrics. */
export type MetricsRoom =
  & Pick<AgentMetrics, "start" | "tick" | "started" | "stopping">
  & AsyncDisposable;

/** What the agent asks of its control. */
export type ControlRoom = Pick<AgentControl, "start"> & AsyncDisposable;

/** What a reader of /proc works with. */
export interface ProcParts {
  readonly clock: SystemClock;
  readonly libc: Libc;
  readonly config: Config;
  readonly cgroups: Pick<CgroupRoom, "placeOf">;
}

/** What the agent asks of a pipeline. */
export interface PipelineRoom extends WorkloadListener {
  /** Resolves when what ran before is known, or when it never will be. */
  readonly started: Promise<void>;
  /** What runs, as far as it is known. */
  processes(): Iterable<CachedProcess>;
  /** The newest image of a thread group. */
  find(tgid: number, leaderStartNs: bigint): CachedProcess | undefined;
  /** Tells events that come from no record, also after `run()` has ended. */
  tell(events: readonly AgentEvent[]): void;
  run(signal: AbortSignal): Promise<void>;
}

/** How the rooms are entered; tests hand in rooms of which one step fails. */
export interface AgentRooms {
  openLibc(): Libc;
  openClock(libc: Libc): SystemClock;
  openPayload(): Payload;
  openLibbpf(path: string): Libbpf;
  openPresence(parts: AgentPresenceParts): PresenceRoom;
  openCgroups(parts: AgentCgroupsParts): CgroupRoom;
  openWorkloads(parts: AgentWorkloadsParts): WorkloadRoom;
  loadSensors(parts: {
    readonly libbpf: Libbpf;
    readonly payload: Payload;
    readonly settings: Readonly<Record<string, SensorSettings>>;
    readonly mapEntries: MapEntries;
    /** Whether the network sensor is wanted. */
    readonly withNetwork: boolean;
    /** Whether the signal sensor is wanted. */
    readonly withSignals: boolean;
    readonly log: Log;
  }): LoadedSensors;
  openCapture(parts: CaptureParts): Capture;
  /** Undefined: this host has none; the agent goes on without. */
  openPolicies(parts: PolicyParts): PolicyRoom | undefined;
  openMetrics(parts: AgentMetricsParts): MetricsRoom;
  openNetwork(parts: NetworkParts): NetworkRoom;
  openDrops(parts: DropsParts): Pick<KernelDrops, "check">;
  /** Undefined: /proc names others than the records do; nothing is read there. */
  openProc(parts: ProcParts): (ProcessReader & { scan(): readonly ProcessFound[] }) | undefined;
  openPipeline(input: PipelineInput): PipelineRoom;
  openControl(parts: AgentControlParts): ControlRoom;
}
