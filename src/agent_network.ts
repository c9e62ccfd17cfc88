/**
 * The network of an agent: what the kernel counts, joined with cgroups, workloads and processes.
 *
 * @module
 */
import type { AgentCgroups } from "./agent_cgroups.ts";
import type { AgentWorkloads } from "./agent_workloads.ts";
import type { Config } from "./config/mod.ts";
import type { AgentEvent, NetworkFact, NetworkProcessEvent, ProcessFact } from "./events/mod.ts";
import {
  type AddressFiles,
  Conntrack,
  DnsTeller,
  FlowReports,
  type FlowTimers,
  HostAddressFiles,
  NameCache,
  NetworkEvents,
  type NetworkKernel,
  type NetworkService,
  type NetworkState,
  OwnAddresses,
  type ProcessContext,
  type ProgramTime,
  RecentProcesses,
  type TrafficReading,
  TrafficTotals,
  TupleTagger,
} from "./network/mod.ts";
import type { FactTeller } from "./pipeline/mod.ts";
import type { CachedProcess } from "./state/mod.ts";
import type { Clock, Counters, Log } from "./telemetry/mod.ts";

/** Settings that the network goes by. */
export type NetworkConfig = Pick<
  Config,
  | "withNetwork"
  | "withConnections"
  | "withDns"
  | "withFlows"
  | "dnsPorts"
  | "flowIntervalMs"
  | "cgroupEntries"
>;

/** The kernel's tables, or why there are none. */
export type OpenedKernel = NetworkKernel | { readonly reason: string; readonly hint?: string };

/** What the network of an agent is made with. */
export interface AgentNetworkParts {
  readonly config: NetworkConfig;
  /** Called when the sensor is attached. */
  readonly openKernel: () => OpenedKernel;
  readonly cgroups: Pick<AgentCgroups, "table" | "observe">;
  readonly workloads: Pick<AgentWorkloads, "workloadAt">;
  /** Learns whose the sockets are that are older than the agent; undefined: it cannot. */
  readonly meetOldSockets?: () => Promise<{ readonly isCut: boolean } | undefined>;
  /** Time of all programs of the agent; undefined when it is not measured. */
  readonly programTime: () => ProgramTime | undefined;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  /** Those of the system, unless a test has others. */
  readonly files?: AddressFiles;
  readonly conntrackPath?: string;
  readonly timers?: FlowTimers;
}

/** What the network asks of the pipeline. */
export interface ProcessSource {
  /** The newest image of a thread group. */
  find(tgid: number, leaderStartNs: bigint): CachedProcess | undefined;
  processes(): Iterable<CachedProcess>;
  tell(events: readonly AgentEvent[]): void;
}

/** Turns between two looks at traffic that nobody has asked for: see `TrafficTotals`. */
const LOOK_TURNS = 10;

/** Everything the agent does about the network. Nothing here ends the agent. */
export class AgentNetwork implements NetworkService {
  /** Makes events of the sensor's facts. */
  readonly teller: FactTeller<NetworkFact, NetworkProcessEvent>;
  readonly #parts: AgentNetworkParts;
  readonly #names: NameCache;
  readonly #totals: TrafficTotals;
  readonly #ownAddresses: OwnAddresses;
  readonly #conntrack: Conntrack;
  readonly #tagger: TupleTagger;
  readonly #recent: RecentProcesses;
  #opened: OpenedKernel = { reason: "it is about to start" };
  #flows: FlowReports | undefined;
  #processes: ProcessSource | undefined;
  #turns = 0;
  #told: NetworkState["state"] = "ok";

  /** To be made before the table of cgroups is opened. */
  constructor(parts: AgentNetworkParts) {
    this.#parts = parts;
    const { config, counters, cgroups, clock } = parts;
    this.#totals = new TrafficTotals({
      ...{ clock, counters, workloadsMax: config.cgroupEntries },
      kernel: {
        readTraffic: () => this.#kernel?.readTraffic() ?? [],
        takeTraffic: (trackingId) => this.#kernel?.takeTraffic(trackingId),
      },
      ownerOf: (trackingId) => this.#ownerOf(trackingId),
    });
    this.#ownAddresses = new OwnAddresses({
      counters,
      files: parts.files ?? new HostAddressFiles(),
      members: () => this.#members(),
    });
    const { conntrackPath: path, log } = parts;
    this.#conntrack = new Conntrack({
      counters,
      ...(path !== undefined && { path }),
      onMissing: (error) =>
        log.info("Translated addresses of peers are not known: {error}", { error }),
    });
    this.#names = new NameCache(counters);
    this.#tagger = new TupleTagger({
      ...{ names: this.#names, ownAddresses: this.#ownAddresses, conntrack: this.#conntrack },
    });
    this.#recent = new RecentProcesses(counters);
    const dns = this.#makeDns();
    this.teller = new NetworkEvents({
      dns,
      tag: (...tuple) => this.#tagger.tag(...tuple),
      ended: (tgid, leaderStartNs) => this.#recent.find(tgid, leaderStartNs),
    });
    cgroups.observe((change, { id }) => {
      if (change !== "forgotten") return;
      this.#totals.forget(id);
      this.#names.forget(id);
    });
  }

  /** The sensor is attached, or is not going to be. */
  attached(): void {
    this.#opened = this.#parts.openKernel();
    const state = this.state();
    if (state.state !== "off" || !needsNetwork(this.#parts.config)) return;
    const { reason, hint } = state;
    this.#parts.log.warn("Traffic is not counted: {reason}", { reason, hint });
  }

  /** Takes processes from `source`, and hands it the events that come from no record. */
  follow(source: ProcessSource): void {
    this.#processes = source;
  }

  /** Begins to tell flows; what ran before is known. */
  start(): void {
    const { config, clock, counters, log, timers } = this.#parts;
    const kernel = this.#kernel;
    if (kernel !== undefined) void this.#meetOldSockets();
    if (kernel === undefined || !config.withFlows) return;
    this.#flows = new FlowReports({
      ...{ kernel, clock, counters, log, intervalMs: config.flowIntervalMs },
      ...(timers !== undefined && { timers }),
      contextOf: (tgid, leaderStartNs) => this.#contextOf(tgid, leaderStartNs),
      workloadOf: (trackingId) => this.#ownerOf(trackingId)?.workload,
      tag: (...tuple) => this.#tagger.tag(...tuple),
      refresh: () => this.#conntrack.refresh(),
      tell: (events) => this.#processes?.tell(events),
      onTold: () => this.#recent.turn(),
    });
    this.#flows.start();
  }

  /** Tells the flows that are left; nothing may be gathered any more. Safe to call twice. */
  async end(): Promise<void> {
    await this.#flows?.end();
  }

  /** A fact has changed a process. */
  onProcess(fact: ProcessFact, subject: CachedProcess): void {
    if (fact.type === "process_executed") this.#noteExec(subject.process.cgroup.trackingId);
    const isKept = this.#flows !== undefined || this.#parts.config.withConnections;
    if (fact.type !== "process_exited" || !isKept) return;
    this.#recent.note(fact.tgid, fact.leaderStartNs, contextOf(subject));
  }

  /** To be called about once a second. */
  tick(): void {
    const { clock, config } = this.#parts;
    this.#turns += 1;
    // Flows turn when they are told.
    if (this.#flows === undefined && this.#turns % ENDED_TURNS === 0) this.#recent.turn();
    if (this.#turns % LOOK_TURNS === 1) this.#totals.look();
    this.#tellState();
    if (!config.withConnections && !config.withFlows && !config.withDns) return;
    this.#ownAddresses.step(clock.monotonicNs());
    // Flows look when they are told.
    const isDue = this.#turns % CONNTRACK_TURNS === 1;
    if (isDue && this.#flows === undefined) void this.#conntrack.refresh();
  }

  readTraffic(): TrafficReading {
    const { clock, programTime } = this.#parts;
    this.#totals.look();
    const programs = programTime();
    return {
      monotonicNs: clock.monotonicNs(),
      workloads: this.#totals.rows(this.#kernel !== undefined),
      ...(programs !== undefined && { programs }),
    };
  }

  state(): NetworkState {
    const opened = this.#opened;
    if ("reason" in opened) return { state: "off", ...opened };
    const { confirmed, contradicted } = opened.attribution;
    if (contradicted > 0) {
      return {
        state: "degraded",
        reason: `the kernel named the wrong cgroup for ${contradicted} of ` +
          `${confirmed + contradicted} sockets`,
        hint: "unmount net_cls and net_prio of cgroup v1, or use Linux 5.15 or newer",
      };
    }
    if (this.#parts.cgroups.table !== undefined) return { state: "ok" };
    const reason = "cgroups are not followed, so all traffic counts as unknown";
    return { state: "degraded", reason, hint: "see `shrike doctor`" };
  }

  counts(): ReadonlyMap<string, bigint> {
    return this.#kernel?.counts() ?? new Map();
  }

  get #kernel(): NetworkKernel | undefined {
    return "reason" in this.#opened ? undefined : this.#opened;
  }

  /** The table of cgroups is filled by now, so each socket finds its workload. */
  async #meetOldSockets(): Promise<void> {
    const { meetOldSockets, log } = this.#parts;
    const follows = "they belong to nobody until somebody is seen to use them";
    try {
      const reading = await meetOldSockets?.();
      if (reading?.isCut !== true) return;
      log.warn("Too many files are open to find all older sockets; {follows}", { follows });
    } catch (error) {
      log.warn("Sockets older than the agent cannot be found: {error}; {follows}", {
        error,
        follows,
      });
    }
  }

  #makeDns(): DnsTeller {
    const { config: { dnsPorts, withDns }, counters } = this.#parts;
    return new DnsTeller({
      ports: dnsPorts.length === 0 ? [DNS_PORT] : dnsPorts,
      ...{ counters, names: this.#names, withEvents: withDns, withBothEnds: false },
      tag: ({ tuple, cgroup, timeNs }) => this.#tagger.tag(tuple, cgroup.trackingId, timeNs),
    });
  }

  #noteExec(trackingId: bigint): void {
    this.#totals.noteExec(trackingId);
    // Of a cgroup that is gone nobody would take the slot back.
    if (this.#parts.cgroups.table?.find(trackingId) !== undefined) {
      this.#kernel?.giveSlot(trackingId);
    }
  }

  #ownerOf(trackingId: bigint) {
    const known = this.#parts.cgroups.table?.find(trackingId);
    if (known === undefined) return undefined;
    const { createdNs, place } = known;
    return { createdNs, workload: this.#parts.workloads.workloadAt(place) };
  }

  #contextOf(tgid: number, leaderStartNs: bigint): ProcessContext | undefined {
    const cached = this.#processes?.find(tgid, leaderStartNs);
    return cached === undefined ? this.#recent.find(tgid, leaderStartNs) : contextOf(cached);
  }

  *#members() {
    for (const { process } of this.#processes?.processes() ?? []) {
      yield { tgid: process.tgid, netNs: process.namespaces.net };
    }
  }

  /** Once for each change. */
  #tellState(): void {
    const { state, reason, hint } = this.state();
    if (state === this.#told || state === "off") return;
    this.#told = state;
    if (state === "degraded") {
      const follows = "sockets belong to the workload that was last seen to use them";
      this.#parts.log.warn("Traffic by workload: {reason}; {follows}", { reason, follows, hint });
    } else this.#parts.log.info("Traffic by workload: all is well again");
  }
}

/** RFC 1035. */
const DNS_PORT = 53;
/** Turns between two looks at translated addresses, where no flows are told. */
const CONNTRACK_TURNS = 15;
/** How long processes that ended are kept at least; TCP waits a minute for the other end's last. */
const ENDED_TURNS = 75;

function contextOf({ process, references, parent }: CachedProcess): ProcessContext {
  const subject = { process, references };
  if (parent === undefined) return { subject };
  return { subject, parent: { process: parent.process, references: parent.references } };
}

/** Whether anything is asked of the sensor. */
export function needsNetwork(
  config: Pick<Config, "withNetwork" | "withConnections" | "withDns" | "withFlows">,
): boolean {
  return config.withNetwork || config.withConnections || config.withDns || config.withFlows;
}
