/**
 * Whose each process is: the cgroup table, the resolver of workloads, and what both tell the
 * pipeline later.
 *
 * @module
 */
import { type AgentCgroups, UNTOLD_PLACE } from "./agent_cgroups.ts";
import { ProcCgroups } from "./agent_proc_cgroups.ts";
import type { Config, RuntimeSocket } from "./config/mod.ts";
import type { CgroupPlace, Workload } from "./events/mod.ts";
import type { Identity } from "./state/mod.ts";
import type { Counters } from "./telemetry/mod.ts";
import {
  type CgroupIdentity,
  InnerContainers,
  type OpenedWorkloads,
  openWorkloads,
  type SocketPlace,
  SYSTEM_SOCKETS,
  type WorkloadNeeds,
  type WorkloadSettings,
} from "./workloads/mod.ts";

/** What the workloads of an agent are made with. */
export interface AgentWorkloadsParts {
  readonly config: Config;
  readonly counters: Counters;
  readonly cgroups: Pick<AgentCgroups, "table" | "observe" | "trackBy" | "retrack">;
  /** The system's, unless a test has others. */
  readonly proc?: ProcCgroups;
  readonly settings?: WorkloadSettings;
  /** Makes the resolver; with the host's runtimes, unless a test has others. */
  readonly open?: (needs: WorkloadNeeds) => OpenedWorkloads;
}

/** Takes what was learned after events were delivered; the pipeline does. */
export interface WorkloadListener {
  /** @param workloadAt the workload as processes at that place have it */
  amend(
    trackingId: bigint,
    workload: Workload,
    workloadAt: (place: CgroupPlace) => Workload,
  ): void;
  forget(trackingId: bigint): void;
}

const NOT_FOLLOWED: Workload = Object.freeze({
  kind: "host",
  name: "unknown",
  id: "unknown",
  source: "none",
  reason: "cgroups_not_followed",
});

/** Of processes that only /proc has told, where it shows no cgroup that is known. */
const UNTOLD: Workload = Object.freeze({ ...NOT_FOLLOWED, reason: "unknown_cgroup" });

/** What else there is to say of a cgroup that only /proc names. */
const NAMED = { createdNs: 0n, pathSource: "path" } as const;

/** Everything the agent does about workloads. Nothing here ends the agent. */
export class AgentWorkloads implements Disposable {
  readonly #cgroups: AgentWorkloadsParts["cgroups"];
  readonly #opened: OpenedWorkloads;
  readonly #proc: ProcCgroups;
  readonly #inner: InnerContainers;
  #listener: WorkloadListener | undefined;

  constructor({ config, counters, cgroups, settings, proc, open }: AgentWorkloadsParts) {
    this.#cgroups = cgroups;
    this.#proc = proc ?? new ProcCgroups();
    this.#opened = (open ?? openWorkloads)({
      settings: {
        ...runtimeSettings(config),
        removalDelayMs: config.cgroupRemovalDelayMs,
        cgroupsMax: config.cgroupEntries,
        ...settings,
      },
      counters,
      onLearned: ({ id }, workload) => this.#onLearned(id, workload),
      onContext: () => {
        this.#inner.forgetPaths();
        cgroups.retrack();
      },
    });
    const { resolver } = this.#opened;
    this.#inner = new InnerContainers((path) => resolver.recognise(path));
    cgroups.trackBy(resolver);
    cgroups.observe((change, cgroup) => {
      const { hierarchy, id, createdNs } = cgroup;
      if (change === "changed") resolver.renamed(cgroup);
      else if (change === "removed") resolver.removed(hierarchy, id, createdNs);
      else if (change === "forgotten") this.#listener?.forget(id);
    });
  }

  /** Begins to look for runtimes and to ask them. */
  start(): void {
    this.#opened.resolver.start();
  }

  /** Tells `listener` of what is learned from now on; what was learned before nobody was told. */
  listen(listener: WorkloadListener): void {
    this.#listener = listener;
  }

  /**
   * Whose a process is that was seen at `place`.
   *
   * @param timeNs CLOCK_MONOTONIC of the record
   */
  identityOf(place: CgroupPlace, timeNs: bigint, tgid: number): Identity {
    const { table } = this.#cgroups;
    if (table === undefined) {
      const { id: trackingId, hierarchy, path } = this.#proc.cgroupOf(tgid);
      if (trackingId === 0n || path === undefined) return { cgroup: place, workload: NOT_FOLLOWED };
      // An id of our own, by which what is learned later finds the process.
      const cgroup = { ...place, trackingId, hierarchy, path };
      return { cgroup, workload: this.workloadAt(cgroup) };
    }
    if (place.hierarchy === UNTOLD_PLACE.hierarchy) return { cgroup: place, workload: UNTOLD };
    const cgroup = table.place(place, timeNs);
    return { cgroup, workload: this.workloadAt(cgroup) };
  }

  /** Whose a process is that came into a container out of the workload `from`. */
  entered({ cgroup }: Identity, from: Workload | undefined): Workload {
    const workload = this.#opened.resolver.entered(this.#naming(cgroup), from);
    return this.#inner.workloadAt(workload, cgroup);
  }

  /** Whose the processes of a cgroup are. */
  workloadAt(place: CgroupPlace): Workload {
    const workload = this.#opened.resolver.resolve(this.#naming(place));
    return this.#inner.workloadAt(workload, place);
  }

  [Symbol.dispose](): void {
    this.#opened.resolver.close();
  }

  #onLearned(id: bigint, workload: Workload): void {
    this.#listener?.amend(id, workload, (place) => this.#inner.workloadAt(workload, place));
  }

  /** The cgroup that names the workload. */
  #naming({ id, trackingId, hierarchy, path }: CgroupPlace): CgroupIdentity {
    const { table } = this.#cgroups;
    const namingId = trackingId === 0n ? id : trackingId;
    if (table === undefined) return { hierarchy, id: namingId, ...NAMED, path };
    const known = table.find(namingId);
    if (known !== undefined) return known;
    // Without the entry of the ancestor, the path of the cgroup itself names the same workload.
    return { hierarchy, id, createdNs: 0n, path, pathSource: "kernel" };
  }
}

/** Runtimes that are asked, and for how long. */
export function runtimeSettings(
  config: Pick<Config, "askRuntimes" | "runtimeSockets" | "runtimeTimeoutMs">,
): Pick<WorkloadSettings, "sockets" | "searchUsers" | "timeoutMs"> {
  const { askRuntimes, runtimeSockets, runtimeTimeoutMs: timeoutMs } = config;
  if (!askRuntimes) return { sockets: [], searchUsers: false };
  if (runtimeSockets.length === 0) return { timeoutMs };
  // Named runtimes stand in for runtimes: the service manager is the same on any host.
  const manager = runtimeSockets.some(({ api }) => api === "systemd")
    ? []
    : SYSTEM_SOCKETS.filter(({ api }) => api === "systemd");
  return { sockets: [...runtimeSockets.map(placeOf), ...manager], searchUsers: false, timeoutMs };
}

/** A socket below a user's folder is that user's, whoever has named it. */
function placeOf({ api, path }: RuntimeSocket): SocketPlace {
  const uid = /^(?:\/var)?\/run\/user\/(\d{1,10})\//.exec(path)?.[1];
  return uid === undefined ? { api, path } : { api, path, userUid: Number(uid) };
}
