/**
 * Containers in containers of which the path of the process's own cgroup tells.
 *
 * @module
 */
import type { CgroupPlace, NestedContainer, Workload } from "../events/mod.ts";
import type { PathRecognition } from "./recognise_path.ts";

/** Inner containers told apart in one workload; one that is forgotten gets another object. */
const INNER_MAX = 256;

/**
 * Whose the processes in a container's cgroups are: one cgroup names the workload of all, and each
 * one's own path says in which container inside of it it is.
 */
export class InnerContainers {
  readonly #recognise: (path: string) => PathRecognition;
  /** Null: none. Places are immutable, and the same object as long as nothing changes. */
  #innerOf = new WeakMap<CgroupPlace, NestedContainer | null>();
  /** By the id of the inner container, so that encoded forms can be kept by object. */
  readonly #workloads = new WeakMap<Workload, Map<string, Workload>>();

  constructor(recognise: (path: string) => PathRecognition) {
    this.#recognise = recognise;
  }

  /** Paths are read otherwise by now. */
  forgetPaths(): void {
    this.#innerOf = new WeakMap();
  }

  /**
   * The workload as processes at `place` have it: the same object for the same inner container.
   *
   * @param workload what the cgroup that names it says
   */
  workloadAt(workload: Workload, place: CgroupPlace): Workload {
    if (workload.container === undefined || place.path === undefined) return workload;
    let inner = this.#innerOf.get(place);
    if (inner === undefined) {
      const { id, inner: found } = this.#recognise(place.path);
      inner = id === workload.id && found !== undefined ? found : null;
      this.#innerOf.set(place, inner);
    }
    if (inner === null || inner.id === workload.inner?.id) return workload;
    return this.#with(workload, inner);
  }

  #with(workload: Workload, inner: NestedContainer): Workload {
    const known = this.#workloads.get(workload) ?? new Map<string, Workload>();
    this.#workloads.set(workload, known);
    let made = known.get(inner.id);
    if (made === undefined) {
      made = Object.freeze({ ...workload, inner });
      if (known.size >= INNER_MAX) known.delete(known.keys().next().value!);
      known.set(inner.id, made);
    }
    return made;
  }
}
