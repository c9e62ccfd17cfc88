/**
 * Facts about cgroups as events.
 *
 * @module
 */
import type { CgroupEvent, CgroupFact, CgroupPlace } from "../events/mod.ts";
import type { CachedProcess, KnownCgroup } from "../state/mod.ts";

/** What is known of the event besides its fact. */
export interface CgroupCircumstances {
  /** ns since the epoch. */
  readonly timeNs: bigint;
  readonly isLate: boolean;
  /** The process in the fact, when it is cached. */
  readonly subject: CachedProcess | undefined;
}

/**
 * The event of a fact; undefined when the table says it told nothing new. The end of a cgroup that
 * the table has forgotten is told from the fact alone.
 */
export function cgroupEvent(
  fact: CgroupFact,
  cgroup: KnownCgroup | undefined,
  { timeNs, isLate, subject }: CgroupCircumstances,
): CgroupEvent | undefined {
  if (cgroup === undefined && fact.type !== "cgroup_released") return undefined;
  return {
    type: fact.type,
    timeNs,
    cpu: fact.cpu,
    cgroup: cgroup?.place ?? placeOf(fact),
    parentId: fact.parentId,
    ...(subject !== undefined && {
      subject: { process: subject.process, references: subject.references },
    }),
    marks: isLate ? ["late"] : [],
  };
}

function placeOf({ cgroup, path, isPathCut }: CgroupFact): CgroupPlace {
  return isPathCut ? cgroup : { ...cgroup, path: path.text };
}
