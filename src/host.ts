/**
 * What commands other than `run` ask of the rooms: one look at the host and at the program itself.
 *
 * @module
 */
import { ClockId, LibbpfError, type Libc, openLibbpf, openLibc } from "../ffi/mod.ts";
import { HostFiles, readTimeOffsets } from "./cgroups/mod.ts";
import type { Namespaces } from "./events/mod.ts";
import {
  type LoadedSensors,
  openPayload,
  type PayloadForm,
  readKernelNamespaces,
  type StartMode,
} from "./loader/mod.ts";
import { buildProcessTree, type ProcessTree, readNamespaces, scanProcesses } from "./state/mod.ts";
import { type Counters, SystemClock } from "./telemetry/mod.ts";

export type { ProcessTree } from "./state/mod.ts";

/** How far the clocks of this process are ahead of the host's; it does not change. */
const offsets = readTimeOffsets(new HostFiles()) ?? { monotonicNs: 0n, boottimeNs: 0n };
const OFFSETS = { realtime: 0n, monotonic: offsets.monotonicNs, boottime: offsets.boottimeNs };

/** Of start times in /proc, ns. */
export const START_OFFSET_NS = offsets.boottimeNs;

/**
 * The clocks of this host, whatever time namespace this process is in; read through `libc`, which
 * must stay open as long as they are used.
 */
export function openSystemClock(libc: Libc): SystemClock {
  return new SystemClock((clock) => libc.clockGettimeNs(ClockId[clock]) - OFFSETS[clock]);
}

/** The processes of this host as a starting agent knows them; `<kernel>` is the first root. */
export function readProcessTree(
  { nodeName, counters }: { readonly nodeName: string; readonly counters: Counters },
): ProcessTree[] {
  using libc = openLibc();
  const clock = openSystemClock(libc);
  const found = scanProcesses({
    clock,
    readLink: (path) => libc.readlink(path),
    startOffsetNs: START_OFFSET_NS,
  });
  return buildProcessTree(found, { nodeName, clock, counters });
}

/**
 * Numbers of the initial namespaces, which are fixed in the kernel (include/linux/proc_ns.h). The
 * others are given at boot.
 */
const FIXED = {
  ...{ uts: 0xeffffffe, ipc: 0xefffffff, user: 0xeffffffd, cgroup: 0xeffffffb },
  ...{ pid: 0xeffffffc, pidForChildren: 0xeffffffc },
  ...{ time: 0xeffffffa, timeForChildren: 0xeffffffa },
} as const;

let hostNamespaces: Mutable<Namespaces> | undefined;

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/**
 * Namespaces of the host's first process; always the same object, so that who has it sees what
 * `learnHostNamespaces()` adds. 0: not known, or this kernel has none of that kind.
 */
export function readHostNamespaces(): Namespaces {
  hostNamespaces ??= { ...readNamespaces(() => 0), ...fixedNamespaces(), ...firstProcess() };
  return hostNamespaces;
}

/** Replaces what was read or assumed by what the kernel says, where it can be asked. */
export function learnHostNamespaces(sensors: Pick<LoadedSensors, "runProgram">): void {
  try {
    Object.assign(readHostNamespaces(), readKernelNamespaces(sensors) ?? {});
  } catch (error) {
    if (!(error instanceof LibbpfError)) throw error;
  }
}

/** Whether this kernel has namespaces of a kind, by the name of it in /proc/PID/ns. */
export function hasNamespaces(kind: string): boolean {
  return namespaceInode(`/proc/self/ns/${kind}`) !== 0;
}

function fixedNamespaces(): Partial<Namespaces> {
  const own = readNamespaces((name) => hasNamespaces(name) ? 1 : 0);
  return Object.fromEntries(
    Object.entries(FIXED).filter(([name]) => own[name as keyof Namespaces] !== 0),
  );
}

/** Of /proc/1, unless that is the first process of a container. */
function firstProcess(): Partial<Namespaces> {
  const namespaces = readNamespaces((name) => namespaceInode(`/proc/1/ns/${name}`));
  if (namespaces.pid !== FIXED.pid || namespaces.mnt === 0) return {};
  return namespaces;
}

function namespaceInode(path: string): number {
  try {
    return Number(/\[(\d+)\]$/.exec(Deno.readLinkSync(path))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** What `shrike install` puts onto a host. */
export interface Installable {
  /** Path by which the running executable can be read; null when this is a checkout. */
  readonly executable: string | null;
  /** Text of the unit file. */
  readonly unit: string;
}

/** @throws {PayloadError} a part is missing */
export function readInstallable(): Installable {
  const payload = openPayload();
  return {
    executable: payload.executablePath(),
    unit: new TextDecoder().decode(payload.read("systemd/shrike.service")),
  };
}

/** One BPF object inside the program. */
export interface ObjectDescription {
  readonly name: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

/** What the program is made of and runs on. */
export interface ProgramDescription {
  readonly version: string;
  readonly commit: string;
  readonly deno: string;
  readonly v8: string;
  readonly libbpf: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly form: PayloadForm;
  /** How the launcher started it; only in that form. */
  readonly start: StartMode | null;
  readonly layoutHash: string;
  readonly objects: readonly ObjectDescription[];
}

interface Manifest {
  readonly layoutHash: string;
  readonly objects: Readonly<Record<string, { readonly sha256: string; readonly size: number }>>;
}

/**
 * Reads the program's parts.
 *
 * @throws {PayloadError} a part is missing
 */
export function describeProgram(): ProgramDescription {
  const payload = openPayload();
  const { version, commit } = payload.build();
  const manifest: Manifest = JSON.parse(
    new TextDecoder().decode(payload.read("bpf/manifest.json")),
  );
  using libbpf = openLibbpf(payload.libbpfPath());
  return {
    version,
    commit,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    libbpf: libbpf.version,
    kernel: Deno.osRelease(),
    architecture: Deno.build.arch,
    form: payload.form,
    start: payload.start,
    layoutHash: manifest.layoutHash,
    objects: Object.entries(manifest.objects).map(([name, { sha256, size }]) => ({
      name,
      sha256,
      size,
    })),
  };
}
