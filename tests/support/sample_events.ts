/**
 * Events for tests: plain ones to change a field of, and random ones with nasty text.
 *
 * @module
 */
import type {
  AmendEvent,
  CgroupEvent,
  Credentials,
  GapEvent,
  Namespaces,
  Process,
  ProcessExecEvent,
  ProcessExitEvent,
  ProcessForkEvent,
  ProcessReference,
  Text,
  Workload,
} from "../../src/events/mod.ts";
import { randomString } from "./random_text.ts";
import { randomWorkload } from "./sample_workloads.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** 2026-01-31T23:59:59.000000001Z. */
export const SAMPLE_TIME_NS = 1_769_903_999_000_000_001n;

export const HOST_NAMESPACES: Namespaces = {
  uts: 4026531838,
  ipc: 4026531839,
  mnt: 4026531841,
  pid: 4026531836,
  pidForChildren: 4026531836,
  net: 4026531840,
  time: 4026531834,
  timeForChildren: 4026531834,
  cgroup: 4026531835,
  user: 4026531837,
};

export const ROOT_CREDENTIALS: Credentials = {
  uid: 0,
  gid: 0,
  euid: 0,
  egid: 0,
  suid: 0,
  sgid: 0,
  fsuid: 0,
  fsgid: 0,
  secureBits: 0,
  loginUid: 0xffff_ffff,
  sessionId: 0xffff_ffff,
  userNsLevel: 0,
  userNsUid: 0,
  userNsGid: 0,
  capPermitted: 0n,
  capEffective: 0n,
  capInheritable: 0n,
  capAmbient: 0n,
};

/** Text of a string or of bytes, decoded as the sensors do it. */
export function toText(from: string | Uint8Array): Text {
  if (typeof from === "string") return { text: from };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(from) };
  } catch {
    return { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(from), raw: from };
  }
}

/** What a process of no container and no unit has. */
export const SAMPLE_WORKLOAD: Workload = Object.freeze({
  kind: "host",
  name: "host",
  id: "host",
  source: "kernel",
});

/** `/usr/bin/ls -l "/tmp/a b"` as root on the host, changed by `fields`. */
export function sampleProcess(fields: Partial<Process> = {}): Process {
  const tgid = fields.tgid ?? 4242;
  return {
    execId: btoa(`node:${tgid * 1000}:${tgid}`),
    parentExecId: "",
    tgid,
    namespaceTgid: tgid,
    pidNsLevel: 0,
    ktimeNs: 1000n,
    startTimeNs: SAMPLE_TIME_NS - 12_345_678n,
    binary: toText("/usr/bin/ls"),
    argv: ["ls", "-l", "/tmp/a b"].map(toText),
    cwd: toText("/root"),
    flags: "execve clone",
    credentials: ROOT_CREDENTIALS,
    namespaces: HOST_NAMESPACES,
    inInitTree: false,
    cgroup: { id: 1n, trackingId: 0n, level: 0, hierarchy: 0 },
    workload: SAMPLE_WORKLOAD,
    unknown: false,
    ...fields,
  };
}

export function toReference(process: Process, references = 1): ProcessReference {
  return { process, references };
}

export function sampleExec(process: Process, fields: Partial<ProcessExecEvent> = {}) {
  return { ...eventBase(process), ...fields, type: "process_exec" } as const;
}

export function sampleFork(process: Process, fields: Partial<ProcessForkEvent> = {}) {
  return { ...eventBase(process), ...fields, type: "process_fork" } as const;
}

export function sampleExit(
  process: Process,
  fields: Partial<ProcessExitEvent> = {},
): ProcessExitEvent {
  const end = { status: 0, signal: "", coreDumped: false };
  return { ...eventBase(process), ...end, ...fields, type: "process_exit" };
}

export function sampleCgroup(fields: Partial<CgroupEvent> = {}): CgroupEvent {
  return {
    type: "cgroup_created",
    timeNs: SAMPLE_TIME_NS,
    cpu: 1,
    cgroup: { id: 2n ** 40n, trackingId: 7n, level: 2, hierarchy: 4, path: "/a/b c" },
    parentId: 7n,
    marks: [],
    ...fields,
  };
}

export function sampleAmend(workload: Workload, fields: Partial<AmendEvent> = {}): AmendEvent {
  return {
    timeNs: SAMPLE_TIME_NS,
    execId: sampleProcess().execId,
    cgroup: { id: 2n ** 40n, trackingId: 2n ** 40n, level: 2, hierarchy: 4 },
    workload,
    ...fields,
    type: "amend",
  };
}

export function sampleGap(fields: Partial<GapEvent> = {}): GapEvent {
  return {
    timeNs: SAMPLE_TIME_NS,
    cause: "perf_ring_full",
    count: 3,
    firstTimeNs: SAMPLE_TIME_NS - 2_000_000n,
    lastTimeNs: SAMPLE_TIME_NS - 500_000n,
    ...fields,
    type: "gap",
  };
}

function eventBase(process: Process) {
  return { timeNs: SAMPLE_TIME_NS, cpu: 1, subject: toReference(process), marks: [] };
}

/** A nasty string or random bytes. */
export function randomText(random: SeededRandom): Text {
  if (random.chance(0.7)) return toText(randomString(random));
  const bytes = new TextEncoder().encode(randomString(random));
  const noise = Uint8Array.from({ length: random.below(8) }, () => 1 + random.below(255));
  return toText(new Uint8Array([...bytes, ...noise, ...bytes]));
}

export function randomProcess(random: SeededRandom): Process {
  const tgid = random.u32();
  const process: Process = {
    execId: random.chance(0.1) ? "" : btoa(`node:${random.u64()}:${tgid}`),
    parentExecId: random.chance(0.2) ? "" : btoa(`node:1:${random.below(1000)}`),
    tgid,
    namespaceTgid: random.chance(0.5) ? tgid : random.u32(),
    pidNsLevel: random.below(3),
    ktimeNs: random.u64(),
    startTimeNs: random.u64(),
    binary: randomText(random),
    argv: Array.from({ length: random.below(5) }, () => randomText(random)),
    cwd: randomText(random),
    flags: random.chance(0.2) ? "" : "execve clone",
    credentials: randomNumbers(ROOT_CREDENTIALS, random),
    namespaces: random.chance(0.3) ? HOST_NAMESPACES : randomNumbers(HOST_NAMESPACES, random),
    inInitTree: random.chance(0.5),
    cgroup: { id: random.u64(), trackingId: random.u64(), level: 0, hierarchy: 0 },
    workload: randomWorkload(random),
    unknown: random.chance(0.1),
  };
  const maybe: { -readonly [Key in keyof Process]?: Process[Key] } = {};
  if (random.chance(0.3)) maybe.interpreter = randomText(random);
  if (random.chance(0.3)) {
    maybe.environment = Array.from({ length: random.below(4) }, () => randomText(random));
  }
  if (random.chance(0.6)) maybe.exe = randomExecutable(random);
  if (random.chance(0.2)) {
    maybe.privileges = {
      ...(random.chance(0.5) ? { setuid: random.u32() } : {}),
      ...(random.chance(0.5) ? { setgid: random.u32() } : {}),
      changes: random.chance(0.5) ? [] : ["PRIVILEGES_RAISED_EXEC_FILE_SETUID"],
    };
  }
  return { ...process, ...maybe };
}

function randomExecutable(random: SeededRandom) {
  return {
    path: randomText(random),
    inode: random.u64(),
    device: { major: random.below(300), minor: random.u32() },
    links: random.below(3),
    mode: 0o100755,
    uid: 0,
    gid: 0,
    deleted: random.chance(0.3),
    memfd: random.chance(0.3),
  };
}

/** The same fields with random values of the same types. */
function randomNumbers<Fields extends Credentials | Namespaces>(
  fields: Fields,
  random: SeededRandom,
): Fields {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    typeof value === "bigint" ? random.u64() : random.u32(),
  ]);
  return Object.fromEntries(entries);
}
