/**
 * Maps that all objects share: made by the first object that is loaded, used by the others.
 *
 * @module
 */
import type { BpfMap, BpfObject } from "../../ffi/mod.ts";

/** Names of the shared maps; `record.bpf.h` and `cgroup.bpf.h` of `bpf/include/` have them. */
export const RECORDS_MAP = "records";
export const RECORD_DROPS_MAP = "record_drops";
export const CGROUPS_MAP = "cgroups";
export const CGROUP_COUNTS_MAP = "cgroup_counts";
const SHARED_MAPS: readonly string[] = [
  RECORDS_MAP,
  RECORD_DROPS_MAP,
  CGROUPS_MAP,
  CGROUP_COUNTS_MAP,
];

/** Rows of maps by name, where they are not to be what the object says. */
export type MapEntries = Readonly<Record<string, number>>;

/** Slots per CPU, two where an object has spare programs: `bpf/include/scratch.bpf.h`. */
const SCRATCH_MAP = "scratch";

/** Sizes and shares maps. Owns none of them: they live as long as the objects. */
export class SharedMaps {
  readonly #cpuIdMax: number;
  readonly #entries: MapEntries;
  readonly #maps = new Map<string, BpfMap>();

  /** @param possibleCpus numbers of the CPUs the kernel may ever have */
  constructor(possibleCpus: readonly number[], entries: MapEntries = {}) {
    this.#cpuIdMax = Math.max(...possibleCpus);
    this.#entries = entries;
  }

  /** Prepares the maps of an opened object for its load; `hasSpares`: it loads spare programs. */
  configure(object: BpfObject, hasSpares: boolean): void {
    const cpuIds = this.#cpuIdMax + 1;
    for (const map of object.maps) {
      const shared = this.#maps.get(map.name);
      if (shared !== undefined) {
        map.reuseFd(shared.fd);
      } else if (map.name === RECORDS_MAP) {
        map.setMaxEntries(cpuIds);
      } else if (map.name === SCRATCH_MAP) {
        map.setMaxEntries(hasSpares ? 2 * cpuIds : cpuIds);
      } else {
        const entries = this.#entries[map.name];
        if (entries !== undefined) map.setMaxEntries(entries);
      }
    }
  }

  /** Takes the shared maps of an object that was loaded, unless an earlier one gave them. */
  adopt(object: BpfObject): void {
    for (const map of object.maps) {
      if (SHARED_MAPS.includes(map.name) && !this.#maps.has(map.name)) {
        this.#maps.set(map.name, map);
      }
    }
  }

  /** A shared map, once an object is loaded. */
  get(name: string): BpfMap | undefined {
    return this.#maps.get(name);
  }
}
