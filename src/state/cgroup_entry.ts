/**
 * One cgroup in the table.
 *
 * @module
 */
import type { CgroupPlace } from "../events/mod.ts";

/** What a cgroup is going through. */
export type CgroupState =
  /** Made, and no process was seen in it. */
  | "new"
  | "running"
  /** Kept for late events. */
  | "removed";

/** Whose workload a cgroup is, as its path tells. */
export interface CgroupTracking {
  /** Depth of the cgroup that names the workload: its own, or that of an ancestor. */
  readonly level: number;
  /** Cgroups made below it belong to the same workload. */
  readonly isLeaf: boolean;
  /** That workload is a container. */
  readonly isContainer: boolean;
}

/** A cgroup as others may see it. The same object as long as the cgroup is known. */
export interface KnownCgroup {
  readonly hierarchy: number;
  readonly id: bigint;
  /** 0 for the root, or when the parent is hidden. */
  readonly parentId: bigint;
  /** CLOCK_MONOTONIC ns; 0 when it was there before the agent. With the id a name for ever. */
  readonly createdNs: bigint;
  readonly level: number;
  /** Within the hierarchy; undefined when it is not known. */
  readonly path: string | undefined;
  /** Whether a record has told the path, or the file system. */
  readonly pathSource: "kernel" | "path";
  readonly trackingId: bigint;
  readonly isLeaf: boolean;
  readonly isContainer: boolean;
  readonly state: CgroupState;
  /** CLOCK_MONOTONIC ns of its removal, or of the moment that was noticed. */
  readonly removedNs: bigint | undefined;
  /** What processes in it have; a new object when something in it has changed. */
  readonly place: CgroupPlace;
}

/** Everything but what follows from the rest. */
export type CgroupFields = Omit<KnownCgroup, "place">;

/** The table's own view of a cgroup. */
export class CgroupEntry implements KnownCgroup {
  readonly hierarchy: number;
  readonly id: bigint;
  parentId: bigint;
  createdNs: bigint;
  level: number;
  path: string | undefined;
  pathSource: "kernel" | "path";
  trackingId: bigint;
  isLeaf: boolean;
  isContainer: boolean;
  state: CgroupState;
  removedNs: bigint | undefined;
  place: CgroupPlace;

  constructor(fields: CgroupFields) {
    this.hierarchy = fields.hierarchy;
    this.id = fields.id;
    this.parentId = fields.parentId;
    this.createdNs = fields.createdNs;
    this.level = fields.level;
    this.path = fields.path;
    this.pathSource = fields.pathSource;
    this.trackingId = fields.trackingId;
    this.isLeaf = fields.isLeaf;
    this.isContainer = fields.isContainer;
    this.state = fields.state;
    this.removedNs = fields.removedNs;
    this.place = this.#makePlace();
  }

  /** To be called when id, path, level or tracking id have changed. */
  renewPlace(): void {
    this.place = this.#makePlace();
  }

  #makePlace(): CgroupPlace {
    const { id, trackingId, level, hierarchy, path } = this;
    return { id, trackingId, level, hierarchy, ...(path !== undefined && { path }) };
  }
}
