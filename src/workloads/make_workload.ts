/**
 * A path and what a runtime has told of it, put together.
 *
 * @module
 */
import type {
  Container,
  Pod,
  Unit,
  Workload,
  WorkloadReason,
  WorkloadSource,
} from "../events/mod.ts";
import type { PathRecognition } from "./recognise_path.ts";
import { shortId } from "./recognise_path.ts";
import { defined } from "./runtime/json_value.ts";
import type { RuntimeFacts } from "./runtime/runtime_client.ts";

/** How a workload is known. */
export interface Provenance {
  readonly source: WorkloadSource;
  readonly reason?: WorkloadReason;
}

/** A cgroup whose workload cannot be told; a new object only per reason. */
export function unknownWorkload(reason: WorkloadReason): Workload {
  return Object.freeze({ kind: "host", name: "unknown", id: "unknown", source: "none", reason });
}

/** The workload, frozen. Without facts it has what the path gives. */
export function makeWorkload(
  path: PathRecognition,
  facts: RuntimeFacts | undefined,
  { source, reason }: Provenance,
): Workload {
  const container = facts?.container ??
    (path.container === undefined ? undefined : withoutNamespace(path.container));
  const pod = makePod(path, facts);
  const isSandbox = facts?.isSandbox === true && pod !== undefined;
  return Object.freeze({
    kind: isSandbox ? "pod" : path.kind,
    name: makeName(path, { container, pod, isSandbox }),
    id: path.id,
    source,
    ...defined<Partial<Workload>>({
      unit: makeUnit(path.unit, facts?.description),
      container,
      pod,
      userUid: path.userUid,
      inner: path.inner,
      outer: path.outer,
      reason,
    }),
  });
}

function withoutNamespace({ runtime, id }: Container): Container {
  return { runtime, id };
}

function makePod(path: PathRecognition, facts: RuntimeFacts | undefined): Pod | undefined {
  const { uid, qosClass } = path.pod ?? {};
  const known = facts?.pod ?? (uid === undefined ? undefined : { uid });
  return known === undefined || qosClass === undefined ? known : { ...known, qosClass };
}

function makeUnit(unit: Unit | undefined, description: string | undefined): Unit | undefined {
  return unit === undefined || description === undefined ? unit : { ...unit, description };
}

/** "namespace/pod/container" where there is a pod, else what the runtime or the path calls it. */
function makeName(
  path: PathRecognition,
  { container, pod, isSandbox }: {
    readonly container: Container | undefined;
    readonly pod: Pod | undefined;
    readonly isSandbox: boolean;
  },
): string {
  if (path.kind !== "container" && path.kind !== "pod") return path.name;
  const podName = pod?.name === undefined ? undefined : joinNames(pod.namespace, pod.name);
  if (path.kind === "pod" || isSandbox) return podName ?? path.name;
  const own = pod?.containerName ?? container?.name ?? shortId(path.id);
  return joinNames(podName, own);
}

function joinNames(outer: string | undefined, inner: string): string {
  return outer === undefined ? inner : `${outer}/${inner}`;
}
