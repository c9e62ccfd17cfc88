/**
 * Facts for tests: a line of life of processes, told with few words.
 *
 * @module
 */
import type {
  Executable,
  ProcessExecuted,
  ProcessExited,
  ProcessForked,
  ProcessFound,
} from "../../src/events/mod.ts";
import type { Clock } from "../../src/telemetry/mod.ts";
import { HOST_NAMESPACES, ROOT_CREDENTIALS } from "./sample_events.ts";

/** Wall time of monotonic 0 of `FakeClock`. */
export const WALL_OFFSET_NS = 1_700_000_000_000_000_000n;
/** How much further CLOCK_BOOTTIME is than CLOCK_MONOTONIC in `FakeClock`. */
export const SLEPT_NS = 5_000_000_000n;

/** A clock the test moves; each reading may move it too, so that waiting loops end. */
export class FakeClock implements Clock {
  constructor(public nowNs: bigint = 0n, public stepNs: bigint = 0n) {}

  monotonicNs(): bigint {
    this.nowNs += this.stepNs;
    return this.nowNs;
  }

  boottimeNs(): bigint {
    return this.nowNs + SLEPT_NS;
  }

  wallNs(monotonicNs: bigint): bigint {
    return WALL_OFFSET_NS + monotonicNs;
  }
}

/** Names a thread group for ever. */
export interface Group {
  readonly tgid: number;
  /** Boot-time ns. */
  readonly startNs: bigint;
}

const NO_PROBLEMS = {
  argumentsCut: false,
  argumentsFailed: false,
  environmentCut: false,
  environmentFailed: false,
  filenameCut: false,
  filenameFailed: false,
  cwdCut: false,
  cwdFailed: false,
  exeCut: false,
};

function base(group: Group, timeNs: bigint) {
  return {
    timeNs,
    cpu: 0,
    tgid: group.tgid,
    tid: group.tgid,
    namespaceTgid: group.tgid,
    leaderStartNs: group.startNs,
    cgroup: { id: 7n, trackingId: 7n, level: 1, hierarchy: 0 },
  };
}

/** `parent` forks `child`. */
export function forked(
  child: Group,
  parent: Group,
  timeNs: bigint,
  change: Partial<ProcessForked> = {},
): ProcessForked {
  return {
    ...base(child, timeNs),
    type: "process_forked",
    parentTgid: parent.tgid,
    parentTid: parent.tgid,
    parentStartNs: parent.startNs,
    parentIsKernel: false,
    pidNsLevel: 0,
    credentials: ROOT_CREDENTIALS,
    namespaces: HOST_NAMESPACES,
    ...change,
  };
}

/** `group` runs `filename` with `args`. */
export function executed(
  group: Group,
  timeNs: bigint,
  filename: string,
  change: Partial<ProcessExecuted> = {},
): ProcessExecuted {
  return {
    ...base(group, timeNs),
    type: "process_executed",
    parentTgid: 1,
    parentStartNs: 0n,
    parentIsKernel: false,
    oldTid: group.tgid,
    pidNsLevel: 0,
    credentials: ROOT_CREDENTIALS,
    namespaces: HOST_NAMESPACES,
    filename: { text: filename },
    exe: executable(filename),
    cwd: { text: "/root" },
    argv: [{ text: filename }],
    secureExec: false,
    gained: { euid: false, egid: false, capabilities: false },
    problems: NO_PROBLEMS,
    ...change,
  };
}

/** `group` ends. */
export function exited(
  group: Group,
  timeNs: bigint,
  change: Partial<ProcessExited> = {},
): ProcessExited {
  return {
    ...base(group, timeNs),
    type: "process_exited",
    exitCode: 0,
    lastTid: group.tgid,
    ...change,
  };
}

/** The scan saw `group` run `path`. */
export function found(
  group: Group,
  parentTgid: number,
  path: string,
  change: Partial<ProcessFound> = {},
): ProcessFound {
  return {
    type: "process_found",
    tgid: group.tgid,
    namespaceTgid: group.tgid,
    pidNsLevel: 0,
    startTicks: group.startNs / 10_000_000n,
    readFromNs: 1_000_000_000n,
    readToNs: 1_001_000_000n,
    parentTgid,
    parentIsKernel: parentTgid === 0,
    credentials: ROOT_CREDENTIALS,
    namespaces: HOST_NAMESPACES,
    exe: executable(path),
    argv: [{ text: path }],
    cwd: { text: "/" },
    cgroup: { id: 0n, trackingId: 0n, level: 0, hierarchy: 0 },
    ...change,
  };
}

/** A plain file; its inode follows from its path. */
export function executable(path: string, change: Partial<Executable> = {}): Executable {
  let inode = 0n;
  for (const character of path) inode = (inode * 31n + BigInt(character.charCodeAt(0))) & 0xffffn;
  return {
    path: { text: path },
    inode,
    device: { major: 254, minor: 0 },
    links: 1,
    mode: 0o100755,
    uid: 0,
    gid: 0,
    deleted: false,
    memfd: false,
    ...change,
  };
}
