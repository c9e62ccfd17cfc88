/**
 * Makes `Process` objects out of facts and the image they build on.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type {
  CgroupPlace,
  Credentials,
  FactBase,
  Namespaces,
  Process,
  ProcessExecuted,
  ProcessForked,
  ProcessFound,
  Text,
  Workload,
} from "../events/mod.ts";
import type { Clock } from "../telemetry/mod.ts";
import { NS_PER_TICK } from "./cache_entry.ts";
import { flagWords } from "./flag_words.ts";
import {
  comesFromOutside,
  type EnteredListener,
  entersContainer,
  HOST_WORKLOAD,
  type Identity,
  type IdentityOf,
  identityWithoutCgroups,
  isVisitor,
} from "./process_identity.ts";
import { privilegeRaise } from "./privileges.ts";
import { joinPath, NO_TEXT } from "./text.ts";

/** (uid_t)-1: no process ever has it, so it cannot be taken for a real id. */
const UNKNOWN_ID = 4294967295;

/** Credentials of a process the cache did not know. */
export const UNKNOWN_CREDENTIALS: Credentials = {
  uid: UNKNOWN_ID,
  gid: UNKNOWN_ID,
  euid: UNKNOWN_ID,
  egid: UNKNOWN_ID,
  suid: UNKNOWN_ID,
  sgid: UNKNOWN_ID,
  fsuid: UNKNOWN_ID,
  fsgid: UNKNOWN_ID,
  secureBits: 0,
  loginUid: UNKNOWN_ID,
  sessionId: UNKNOWN_ID,
  userNsLevel: 0,
  userNsUid: UNKNOWN_ID,
  userNsGid: UNKNOWN_ID,
  capPermitted: 0n,
  capEffective: 0n,
  capInheritable: 0n,
  capAmbient: 0n,
};

const NO_NAMESPACES: Namespaces = {
  uts: 0,
  ipc: 0,
  mnt: 0,
  pid: 0,
  pidForChildren: 0,
  net: 0,
  time: 0,
  timeForChildren: 0,
  cgroup: 0,
  user: 0,
};

const NO_CGROUP = { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 };

/** Fields of a thread group of which only tgid, start and parent are known. */
export interface UnknownGroup {
  readonly tgid: number;
  readonly namespaceTgid: number;
  readonly pidNsLevel: number;
  /** Boot-time ns; the exec_id's time, as for processes from /proc. */
  readonly startNs: bigint;
  /** Where a record, or /proc, has seen it. */
  readonly cgroup: CgroupPlace;
  /** CLOCK_MONOTONIC ns of that. */
  readonly seenNs: bigint;
}

/** A process as a record, or /proc, has seen it in a cgroup. */
interface Sighting {
  readonly tgid: number;
  readonly cgroup: CgroupPlace;
  /** CLOCK_MONOTONIC ns. */
  readonly seenNs: bigint;
  readonly namespaces: Namespaces;
}

/** Who says whose a process is. */
export interface IdentitySource {
  /** Says more about where a process is, and whose it is. */
  readonly identityOf?: IdentityOf;
  readonly onEntered?: EnteredListener;
}

/** Makes processes of one node. */
export class ProcessMaker {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #identityOf: IdentityOf;
  readonly #onEntered: EnteredListener;
  /** The same object for the same workload, so that encoded forms can be kept by object. */
  readonly #visitors = new WeakMap<Workload, Workload>();
  /** CLOCK_BOOTTIME less CLOCK_MONOTONIC; changes only while the machine sleeps. */
  #sleptNs: bigint;

  constructor(nodeName: string, clock: Clock, source: IdentitySource) {
    this.#node = nodeName;
    this.#clock = clock;
    this.#identityOf = source.identityOf ?? identityWithoutCgroups;
    this.#onEntered = source.onEntered ?? (({ workload }) => workload);
    this.#sleptNs = clock.boottimeNs() - clock.monotonicNs();
  }

  /** Looks again how long the machine slept; costs two clock reads. */
  refresh(): void {
    this.#sleptNs = this.#clock.boottimeNs() - this.#clock.monotonicNs();
  }

  /** base64 of `<node>:<ktime ns>:<tgid>`. */
  execId(ktimeNs: bigint, tgid: number): string {
    return Buffer.from(`${this.#node}:${ktimeNs}:${tgid}`).toString("base64");
  }

  /** The parent of init and of what kernel threads start: pid 0, ktime 1. */
  kernel(): Process {
    return {
      execId: this.execId(1n, 0),
      parentExecId: "",
      tgid: 0,
      namespaceTgid: 0,
      pidNsLevel: 0,
      ktimeNs: 1n,
      startTimeNs: this.#wallOfBoot(1n),
      binary: { text: "<kernel>" },
      argv: [],
      cwd: NO_TEXT,
      flags: "procFS",
      credentials: { ...UNKNOWN_CREDENTIALS, ...ROOT_IDS },
      namespaces: NO_NAMESPACES,
      inInitTree: false,
      cgroup: NO_CGROUP,
      workload: HOST_WORKLOAD,
      unknown: false,
    };
  }

  /**
   * A forked child: the image of `parent` under ids of its own. Flags are `execve` alone, as
   * Tetragon has them. Without a parent the image is unknown; ids and credentials are facts all the
   * same.
   */
  forked(fact: ProcessForked, parent: Process | undefined): Process {
    const inInitTree = isInInitTree(fact.pidNsLevel, fact.namespaceTgid, parent);
    const unknown = parent === undefined || parent.unknown;
    return {
      execId: this.execId(fact.timeNs, fact.tgid),
      parentExecId: parent?.execId ?? "",
      tgid: fact.tgid,
      namespaceTgid: fact.namespaceTgid,
      pidNsLevel: fact.pidNsLevel,
      ktimeNs: fact.timeNs,
      startTimeNs: this.#clock.wallNs(fact.timeNs),
      binary: parent?.binary ?? NO_TEXT,
      ...(parent?.interpreter !== undefined && { interpreter: parent.interpreter }),
      ...(parent?.exe !== undefined && { exe: parent.exe }),
      argv: parent?.argv ?? [],
      cwd: parent?.cwd ?? NO_TEXT,
      ...(parent?.environment !== undefined && { environment: parent.environment }),
      flags: unknown ? "unknown" : inInitTree ? "execve inInitTree" : "execve",
      credentials: sharedCredentials(fact.credentials, parent?.credentials),
      namespaces: sharedNamespaces(fact.namespaces, parent?.namespaces),
      inInitTree,
      ...this.#identify({ ...seenIn(fact), namespaces: fact.namespaces }, parent),
      unknown,
    };
  }

  /**
   * A new image. `before` is what the thread group ran until now, `parent` what the new image
   * descends from: the forking process after a fork, else `before`; undefined when not known.
   */
  executed(
    fact: ProcessExecuted,
    parent: Process | undefined,
    how: { readonly afterFork: boolean; readonly missed: boolean; readonly before?: Process },
  ): Process {
    const inInitTree = isInInitTree(fact.pidNsLevel, fact.namespaceTgid, parent);
    const privileges = privilegeRaise(fact.credentials, fact.exe, fact.gained);
    return {
      execId: this.execId(fact.timeNs, fact.tgid),
      parentExecId: parent?.execId ?? "",
      tgid: fact.tgid,
      namespaceTgid: fact.namespaceTgid,
      pidNsLevel: fact.pidNsLevel,
      ktimeNs: fact.timeNs,
      startTimeNs: this.#clock.wallNs(fact.timeNs),
      binary: joinPath(fact.cwd, fact.filename),
      ...(fact.interpreter !== undefined && { interpreter: fact.interpreter }),
      ...(fact.exe !== undefined && { exe: fact.exe }),
      argv: fact.argv,
      cwd: sharedText(fact.cwd, parent?.cwd),
      ...(fact.environment !== undefined && { environment: fact.environment }),
      flags: flagWords({
        source: "execve",
        missed: how.missed,
        afterFork: how.afterFork,
        cwd: fact.cwd.text,
        inInitTree,
        problems: fact.problems,
      }),
      credentials: sharedCredentials(fact.credentials, how.before?.credentials),
      namespaces: sharedNamespaces(fact.namespaces, how.before?.namespaces),
      ...(privileges !== undefined && { privileges }),
      inInitTree,
      ...this.#identify({ ...seenIn(fact), namespaces: fact.namespaces }, parent),
      unknown: false,
    };
  }

  /**
   * A process read from /proc. Its `binary` is the resolved executable, "" when it cannot be read.
   *
   * @param imageNs when the image was first seen, CLOCK_MONOTONIC ns; missing: since its start
   */
  found(fact: ProcessFound, parent: Process | undefined, imageNs?: bigint): Process {
    const ktimeNs = imageNs ?? fact.startTicks * NS_PER_TICK;
    const inInitTree = isInInitTree(fact.pidNsLevel, fact.namespaceTgid, parent);
    return {
      execId: this.execId(ktimeNs, fact.tgid),
      parentExecId: parent?.execId ?? "",
      tgid: fact.tgid,
      namespaceTgid: fact.namespaceTgid,
      pidNsLevel: fact.pidNsLevel,
      ktimeNs,
      startTimeNs: imageNs === undefined ? this.#wallOfBoot(ktimeNs) : this.#clock.wallNs(imageNs),
      binary: fact.exe?.path ?? NO_TEXT,
      ...(fact.exe !== undefined && { exe: fact.exe }),
      argv: fact.argv,
      cwd: sharedText(fact.cwd, parent?.cwd),
      ...(fact.environment !== undefined && { environment: fact.environment }),
      flags: flagWords({
        source: "procFS",
        missed: false,
        afterFork: false,
        cwd: fact.cwd.text,
        inInitTree,
        problems: { argumentsCut: fact.argumentsCut ?? false },
      }),
      credentials: sharedCredentials(fact.credentials, parent?.credentials),
      namespaces: sharedNamespaces(fact.namespaces, parent?.namespaces),
      inInitTree,
      ...this.#identify({ ...fact, seenNs: fact.readToNs }, parent),
      unknown: false,
    };
  }

  /**
   * A thread group of which only ids and start time are known, with a parent when that is known.
   */
  unknown(group: UnknownGroup, parent: Process | undefined): Process {
    return {
      execId: this.execId(group.startNs, group.tgid),
      parentExecId: parent?.execId ?? "",
      tgid: group.tgid,
      namespaceTgid: group.namespaceTgid,
      pidNsLevel: group.pidNsLevel,
      ktimeNs: group.startNs,
      startTimeNs: this.#wallOfBoot(group.startNs),
      binary: NO_TEXT,
      argv: [],
      cwd: NO_TEXT,
      flags: "unknown",
      credentials: UNKNOWN_CREDENTIALS,
      namespaces: NO_NAMESPACES,
      inInitTree: isInInitTree(group.pidNsLevel, group.namespaceTgid, parent),
      ...this.#identify({ ...group, namespaces: NO_NAMESPACES }, parent),
      unknown: true,
    };
  }

  /** A process that is in another cgroup by now, as `fact` tells; else the same object. */
  moved(process: Process, fact: FactBase, parent: Process | undefined): Process {
    if (fact.cgroup.id === 0n || fact.cgroup.id === process.cgroup.id) return process;
    const { namespaces } = process;
    return { ...process, ...this.#identify({ ...seenIn(fact), namespaces }, parent) };
  }

  #identify({ cgroup, seenNs, tgid, namespaces }: Sighting, origin: Process | undefined): Identity {
    const identity = this.#identityOf(cgroup, seenNs, tgid);
    if (identity.workload.reason === "cgroups_not_followed" && origin !== undefined) {
      // Where nothing tells the cgroup, a process is whose its parent is.
      return { cgroup: identity.cgroup, workload: origin.workload };
    }
    const { cgroup: known, workload } = identity;
    const enters = entersContainer(workload, origin);
    const from = origin?.unknown === true ? undefined : origin?.workload;
    if (comesFromOutside(workload, namespaces, origin)) {
      return { cgroup: known, workload: this.#asVisitor(origin.workload) };
    }
    return enters ? { cgroup: known, workload: this.#onEntered(identity, from) } : identity;
  }

  #asVisitor(workload: Workload): Workload {
    if (isVisitor(workload)) return workload;
    let visitor = this.#visitors.get(workload);
    if (visitor === undefined) {
      visitor = Object.freeze({ ...workload, reason: "entered_from_outside" as const });
      this.#visitors.set(workload, visitor);
    }
    return visitor;
  }

  #wallOfBoot(bootNs: bigint): bigint {
    return this.#clock.wallNs(bootNs - this.#sleptNs);
  }
}

function seenIn({ tgid, cgroup, timeNs }: FactBase): Omit<Sighting, "namespaces"> {
  return { tgid, cgroup, seenNs: timeNs };
}

const ROOT_IDS = { uid: 0, gid: 0, euid: 0, egid: 0, suid: 0, sgid: 0, fsuid: 0, fsgid: 0 };

/** A container's init, or a child of a process in an init tree that is still in a pid namespace. */
function isInInitTree(level: number, namespaceTgid: number, parent: Process | undefined): boolean {
  return level > 0 && (namespaceTgid === 1 || parent?.inInitTree === true);
}

/** Most children have their parent's credentials; sharing the object saves 300 bytes each. */
function sharedCredentials(own: Credentials, other: Credentials | undefined): Credentials {
  if (other === undefined) return own;
  return own.uid === other.uid && own.gid === other.gid && own.euid === other.euid &&
      own.egid === other.egid && own.suid === other.suid && own.sgid === other.sgid &&
      own.fsuid === other.fsuid && own.fsgid === other.fsgid &&
      own.secureBits === other.secureBits && own.loginUid === other.loginUid &&
      own.sessionId === other.sessionId && own.userNsLevel === other.userNsLevel &&
      own.userNsUid === other.userNsUid && own.userNsGid === other.userNsGid &&
      own.capPermitted === other.capPermitted && own.capEffective === other.capEffective &&
      own.capInheritable === other.capInheritable && own.capAmbient === other.capAmbient
    ? other
    : own;
}

function sharedNamespaces(own: Namespaces, other: Namespaces | undefined): Namespaces {
  if (other === undefined) return own;
  return own.uts === other.uts && own.ipc === other.ipc && own.mnt === other.mnt &&
      own.pid === other.pid && own.pidForChildren === other.pidForChildren &&
      own.net === other.net && own.time === other.time &&
      own.timeForChildren === other.timeForChildren && own.cgroup === other.cgroup &&
      own.user === other.user
    ? other
    : own;
}

function sharedText(own: Text, other: Text | undefined): Text {
  return other !== undefined && own.raw === undefined && other.raw === undefined &&
      own.text === other.text
    ? other
    : own;
}
