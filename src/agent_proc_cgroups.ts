/**
 * Cgroups of processes by name alone, from /proc: what is left where the agent cannot find out how
 * the host uses cgroups.
 *
 * @module
 */
import { hasHostPids, HostFiles } from "./cgroups/mod.ts";
import { type CgroupIdentity, recognisePath } from "./workloads/mod.ts";

/** Paths that are told apart; a host has some hundred cgroups at a time. */
const PATHS_MAX = 16_384;

/** Ids of other hierarchies are the kernel's and never negative. */
const HIERARCHY = -1;

/**
 * Reads /proc/TGID/cgroup at each question, 20 us: the kernel's records have no ids then. In a pid
 * namespace of its own it reads nothing: there the file may be another process's.
 */
export class ProcCgroups {
  readonly #read: (tgid: number) => string | undefined;
  /** Our own ids: the paths in the order of their appearance. */
  #ids = new Map<string, bigint>();
  #nextId = 1n;

  constructor(read = chooseReader(new HostFiles())) {
    this.#read = read;
  }

  /** The cgroup of a process; id 0 when it has ended or is hidden from this process. */
  cgroupOf(tgid: number): CgroupIdentity {
    const path = choosePath(this.#read(tgid) ?? "");
    const id = path === undefined ? 0n : this.#idOf(path);
    return { hierarchy: HIERARCHY, id, createdNs: 0n, path, pathSource: "path" };
  }

  #idOf(path: string): bigint {
    let id = this.#ids.get(path);
    if (id !== undefined) return id;
    if (this.#ids.size >= PATHS_MAX) this.#ids = new Map();
    id = this.#nextId++;
    this.#ids.set(path, id);
    return id;
  }
}

/**
 * The path that tells most: v1 hierarchies may each have another, and only those that a runtime or
 * systemd manages name a workload.
 */
function choosePath(text: string): string | undefined {
  const paths = text.split("\n").filter((line) => line !== "").map((line) =>
    line.split(":").slice(2).join(":").replace(/ \(deleted\)$/, "")
  );
  return paths.find((path) => {
    const { isRecognised, kind } = recognisePath(path);
    return isRecognised && kind !== "host";
  }) ?? paths.at(-1);
}

/** Reads the text of a process by its tgid in the initial pid namespace. */
export function chooseReader(files: HostFiles): (tgid: number) => string | undefined {
  if (!hasHostPids(files)) return () => undefined;
  return (tgid) => files.readText(`/proc/${tgid}/cgroup`);
}
