/**
 * Filters for lists of workloads: what is known decides, because nothing is told later.
 *
 * @module
 */
import type { Workload } from "../events/mod.ts";
import { FilterError, parseFilterExpression } from "./filter_expression.ts";
import { WorkloadConditions } from "./workload_conditions.ts";

/**
 * Whether all filters hold for a workload.
 *
 * @throws {FilterError} a filter has a mistake, or asks about something else
 */
export function workloadFilter(filters: readonly string[]): (workload: Workload) => boolean {
  const conditions = new WorkloadConditions();
  for (const filter of filters) {
    const parsed = parseFilterExpression(filter);
    const { key } = parsed;
    switch (key) {
      case "workload":
      case "container":
      case "pod":
      case "namespace":
      case "unit":
        conditions.add(parsed, key);
        break;
      default: {
        const hint = "use workload, container, pod, namespace or unit";
        throw new FilterError(filter, 0, key, `"${key}" is not about workloads`, hint);
      }
    }
  }
  return (workload) => conditions.hold(workload);
}
