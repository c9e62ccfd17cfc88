/**
 * Containers in containers of which the path does not tell.
 *
 * @module
 */
import type { NestedContainer, Workload } from "../events/mod.ts";

/**
 * What is around `inside`, whose first process came out of the workload `from`: Docker in a pod
 * starts containers in cgroups beside that pod's. Undefined when no container is.
 */
export function outerContainer(
  inside: Workload,
  from: Workload | undefined,
): NestedContainer | undefined {
  if (from?.container === undefined || from.id === inside.id) return undefined;
  const podUid = from.pod?.uid;
  // Containers of one pod may start processes in each other.
  if (podUid !== undefined && podUid === inside.pod?.uid) return undefined;
  const { runtime, id } = from.container;
  return podUid === undefined ? { runtime, id } : { runtime, id, podUid };
}
