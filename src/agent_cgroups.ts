/**
 * The agent's cgroups: which hierarchy is followed, the table of user space, the kernel's map
 * beside it, and the proof that both mean the same.
 *
 * @module
 */
import {
  type CgroupMode,
  detectCgroupMode,
  hasHostPids,
  type Hierarchy,
  HostFiles,
  OWN_PIDS,
  type OwnCgroupReport,
  pathBelowMount,
  walkCgroups,
} from "./cgroups/mod.ts";
import type { Libc } from "../ffi/mod.ts";
import { OwnCgroup } from "./agent_own_cgroup.ts";
import type { Config } from "./config/mod.ts";
import type { CgroupAttached, CgroupFound, CgroupPlace } from "./events/mod.ts";
import {
  CGROUP_COUNTS_MAP,
  CgroupMap,
  CGROUPS_MAP,
  type LoadedSensors,
  type MapEntries,
} from "./loader/mod.ts";
import { CGROUP_CONTROLLERS, cgroupSettings, type SensorSettings } from "./sensors/mod.ts";
import {
  type CgroupChange,
  type CgroupListener,
  CgroupTable,
  type CgroupTracking,
  type KnownCgroup,
} from "./state/mod.ts";
import type { Counters, Log } from "./telemetry/mod.ts";
import { CgroupCount } from "./wire/mod.ts";
import { type PathRecognition, recognisePath, type WorkloadResolver } from "./workloads/mod.ts";

/** What the cgroups of an agent are made with. */
export interface AgentCgroupsParts {
  readonly libc: Pick<Libc, "nameToHandle">;
  readonly config: Config;
  readonly counters: Counters;
  readonly log: Log;
  /** The host's, unless a test has others. */
  readonly files?: HostFiles;
  /** See `OwnCgroupParts`. */
  readonly moveSelf?: (directory: string) => void;
}

/** Knows whose a path is; the resolver of workloads does. */
export type PathReader = Pick<WorkloadResolver, "recognise" | "setHome">;

/** Everything the agent does about cgroups. Nothing here ends the agent. */
export class AgentCgroups {
  /** What was found out about this host. */
  readonly mode: CgroupMode;
  readonly #parts: AgentCgroupsParts;
  readonly #files: HostFiles;
  /** Undefined: cgroups are not followed. */
  readonly #hierarchy: Hierarchy | undefined;
  readonly #listeners: CgroupListener[] = [];
  readonly #own: OwnCgroup | undefined;
  #paths: PathReader | undefined;
  #map: CgroupMap | undefined;
  #table: CgroupTable | undefined;
  /** Path of the root of our cgroup namespace, where the walk does not begin at the true root. */
  #prefix: string | undefined;
  /** New cgroups over a share, when that was said last. */
  #overShareTold = 0;

  constructor(parts: AgentCgroupsParts) {
    this.#parts = parts;
    this.#files = parts.files ?? new HostFiles();
    // The numbers are ours: programs find the kernel's own by the name, see subsystem_index().
    this.mode = detectCgroupMode({ files: this.#files, subsystems: CGROUP_CONTROLLERS });
    if (!hasHostPids(this.#files)) {
      const { text, follows, hint } = OWN_PIDS;
      parts.log.warn("Processes: {text}; {follows}", { text, follows, hint });
    }
    if (!parts.config.followCgroups) return;
    this.#hierarchy = this.mode.tracked?.hierarchy;
    const { libc, log, moveSelf } = parts;
    this.#own = this.#hierarchy && new OwnCgroup({
      ...{ libc, log, moveSelf, files: this.#files, hierarchy: this.#hierarchy },
      onPath: (path) => this.#unhide(path),
    });
    for (const { text, follows, hint } of this.mode.warnings) {
      parts.log.warn("Cgroups: {text}; {follows}", { text, follows, hint });
    }
  }

  /** Whether kernel and user space mean the same cgroup; undefined until that is known. */
  get proof(): OwnCgroupReport | undefined {
    return this.#own?.proof;
  }

  /** The table; undefined when cgroups cannot be followed, or before `open()`. */
  get table(): CgroupTable | undefined {
    return this.#table;
  }

  /** Rows of the kernel's map. */
  get mapEntries(): MapEntries {
    return { [CGROUPS_MAP]: this.#hierarchy === undefined ? 1 : this.#parts.config.cgroupEntries };
  }

  /** What every sensor is told, and what the cgroup sensor is told beside that. */
  get settings(): { readonly all: SensorSettings; readonly cgroup: SensorSettings } {
    const controller = this.mode.tracked?.subsystem?.name;
    const all = cgroupSettings(
      this.#hierarchy && {
        hierarchyId: this.#hierarchy.hierarchyId,
        ...(controller !== undefined && { controller }),
      },
    );
    const pidNs = /\[(\d+)\]/.exec(this.#files.readLink("/proc/self/ns/pid") ?? "")?.[1];
    return {
      all,
      cgroup: {
        ...all,
        report_attach: this.#parts.config.withCgroups,
        agent_tgid: Deno.pid,
        agent_pid_ns: Number(pidNs ?? 0),
        ...sharesOf(this.#parts.config.cgroupEntries),
      },
    };
  }

  /** Adds one that is told of every change in the table; before `open()`. */
  observe(listener: CgroupListener): void {
    this.#listeners.push(listener);
  }

  /** Goes by what `paths` says from now on; before `open()`. */
  trackBy(paths: PathReader): void {
    this.#paths = paths;
  }

  /** Paths are read otherwise by now. */
  retrack(): void {
    this.#table?.retrack();
  }

  /** Makes the table for sensors that are loaded, and asks the kernel where this process is. */
  open(sensors: Pick<LoadedSensors, "sharedMap" | "runProgram">): CgroupTable | undefined {
    const { config, counters } = this.#parts;
    const hierarchy = this.#hierarchy;
    if (hierarchy === undefined) return undefined;
    const { hierarchyId } = hierarchy;
    const map = sensors.sharedMap(CGROUPS_MAP);
    const countsMap = sensors.sharedMap(CGROUP_COUNTS_MAP);
    if (map !== undefined) {
      this.#map = new CgroupMap({
        ...{ map, countsMap, hierarchy: hierarchyId, counters, sensors },
      });
    }
    const mount = hierarchy.mount?.path;
    this.#table = new CgroupTable({
      hierarchy: hierarchyId,
      counters,
      entriesMax: config.cgroupEntries,
      removalDelayMs: config.cgroupRemovalDelayMs,
      track: (path) => trackingOf(path, this.#recognise(path)),
      ...(mount !== undefined && this.#seesRoot && {
        exists: (path, id) => this.#files.directory(mount + path)?.inode === Number(id),
      }),
      recall: (id) => this.#map?.find(id),
      onChange: (change, cgroup) => this.#onChange(change, cgroup),
    });
    this.#own?.ask(sensors);
    return this.#table;
  }

  /**
   * What exists, for the table; parents first. Then touches this process, so that the hook tells
   * where it is.
   */
  scan(): CgroupFound[] {
    const hierarchy = this.#hierarchy;
    if (hierarchy === undefined) return [];
    const walk = walkCgroups(this.#files, hierarchy, this.#parts.config.cgroupEntries);
    if (walk.beyondLimit > 0) {
      this.#parts.log.warn("{count} cgroups more than are remembered, continuing without them", {
        count: walk.beyondLimit,
        hint: "raise cgroup.entries",
      });
    }
    this.#own?.touch();
    const prefix = this.#prefix ?? "";
    const hiddenLevels = prefix.split("/").length - 1;
    return walk.cgroups.map((cgroup) => ({
      type: "cgroup_found",
      hierarchy: walk.hierarchyId,
      ...cgroup,
      path: cgroup.path === "/" && prefix !== "" ? prefix : prefix + cgroup.path,
      level: cgroup.level + hiddenLevels,
    }));
  }

  /** Where a process is that has this text in /proc/PID/cgroup. */
  placeOf(text: string): CgroupPlace {
    const hierarchy = this.#hierarchy;
    if (hierarchy === undefined) return NO_PLACE;
    const shown = ownPath(text, hierarchy.hierarchyId);
    const path = shown && pathBelowMount(hierarchy, shown);
    if (path === undefined) return UNTOLD_PLACE;
    const directory = hierarchy.mount!.path + (path === "/" ? "" : path);
    const inode = this.#files.directory(directory)?.inode;
    const known = inode === undefined ? undefined : this.#table?.find(BigInt(inode));
    return known?.place ?? UNTOLD_PLACE;
  }

  /**
   * Says which policies concern a cgroup.
   *
   * @returns false when the kernel's map has no such cgroup
   */
  setPolicySet(id: bigint, createdNs: bigint, set: number): boolean {
    return this.#map?.setPolicySet(id, createdNs, set) ?? false;
  }

  /** Sets that cgroups of the kernel's map have. */
  policySets(): ReadonlySet<number> {
    return this.#map?.policySets() ?? new Set();
  }

  /** A move was told. */
  onAttached(fact: CgroupAttached): void {
    this.#own?.onAttached(fact);
  }

  /** To be called about once a second. */
  tick(): void {
    this.#own?.tick();
    const overShare = this.#map?.count(CgroupCount.CGROUP_COUNT_SHARE_FULL) ?? 0;
    // Once for each power of two: whoever makes cgroups in a loop does not fill the log too.
    if (overShare === 0 || overShare < this.#overShareTold * 2) return;
    this.#overShareTold = overShare;
    this.#parts.log.warn("{count} new cgroups are over the share of their user or workload", {
      count: overShare,
      hint: "an ancestor stands for them; if it was no attack, raise cgroup.entries",
    });
  }

  /**
   * In a cgroup namespace only the kernel tells where its root is: `path` is this process's own,
   * from the true root.
   */
  #unhide(path: string): void {
    const { mount, mountLevel, ownPath = "/" } = this.#hierarchy ?? {};
    const shown = ownPath === "/" ? "" : ownPath;
    if (mountLevel !== undefined || mount?.root !== "/" || this.#prefix !== undefined) return;
    const prefix = path.slice(0, path.length - shown.length);
    if (!path.endsWith(shown) || prefix.length <= 1) return;
    this.#prefix = prefix;
    this.#table?.rebase(prefix);
    // The namespace of a plain container begins where the agent is. One that begins above it, at a
    // container, is a host of its own: a node of kind, a machine with systemd.
    const { kind } = this.#recognise(prefix);
    if (shown !== "" && (kind === "container" || kind === "machine")) this.#paths?.setHome(prefix);
  }

  #recognise(path: string): PathRecognition {
    return this.#paths === undefined ? recognisePath(path) : this.#paths.recognise(path);
  }

  get #seesRoot(): boolean {
    return this.#hierarchy?.mountLevel === 0;
  }

  #onChange(change: CgroupChange, cgroup: KnownCgroup): void {
    const { id, createdNs, path = "" } = cgroup;
    if (change === "forgotten") this.#map?.delete(id, createdNs);
    else if (change === "added" && cgroup.pathSource === "path") {
      this.#map?.enter({ ...cgroup, name: path.slice(path.lastIndexOf("/") + 1) });
    } else if (change !== "removed") this.#map?.correct(id, createdNs, cgroup);
    for (const listener of this.#listeners) listener(change, cgroup);
  }
}

const NO_PLACE: CgroupPlace = { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 };
/** Of a process of which only /proc has told, but not the id of its cgroup. */
export const UNTOLD_PLACE: CgroupPlace = { ...NO_PLACE, hierarchy: -1 };

/** The path of one hierarchy in /proc/PID/cgroup. */
function ownPath(text: string, hierarchyId: number): string | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${hierarchyId}:`));
  const path = line?.slice(line.indexOf(":", line.indexOf(":") + 1) + 1);
  return path?.replace(/ \(deleted\)$/, "");
}

/** What users and workloads may have of so many rows, see `bpf/include/cgroup_entry.h`. */
function sharesOf(entries: number): SensorSettings {
  const share = (part: number) => Math.max(1, Math.floor(entries * part));
  return {
    cgroup_share_user: share(1 / 4),
    cgroup_share_workload: share(1 / 8),
    cgroup_share_all: share(3 / 4),
  };
}

const NO_LEAF = { isLeaf: false, isContainer: false };

/** Whose workload a path is, in the words of the kernel's map. */
export function trackingOf(
  path: string,
  { kind, level, unit, isRecognised }: PathRecognition,
): CgroupTracking {
  // It may be a container of a namespace of containerd that is not known yet.
  if (!isRecognised) return { level: path.split("/").length - 1, ...NO_LEAF };
  const isContainer = kind === "container" || kind === "machine";
  // The manager of a user's units holds units, and a pod containers: those are workloads.
  const isUnit = (kind === "service" && unit?.template !== "user@.service") ||
    kind === "scope" || kind === "session" || kind === "unit";
  return { level, isLeaf: isContainer || isUnit, isContainer };
}
