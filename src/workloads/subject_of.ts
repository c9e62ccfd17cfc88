/**
 * What to ask the runtimes for the workload of a path.
 *
 * @module
 */
import type { PathRecognition } from "./recognise_path.ts";
import type { Subject } from "./runtime/runtime_client.ts";
import { apisFor } from "./runtime/runtime_order.ts";

/** The subject; undefined when no runtime could add anything. */
export function subjectOf(path: PathRecognition): Subject | undefined {
  const { container, pod, unit } = path;
  const userUid = path.userUid === undefined ? {} : { userUid: path.userUid };
  if (path.kind === "container" && container !== undefined) {
    const { runtime, id, namespace } = container;
    const subject: Subject = {
      kind: "container",
      id,
      runtime,
      inPod: pod?.runtime === "kubernetes",
      ...(namespace === undefined ? {} : { namespace }),
      ...userUid,
    };
    return apisFor(subject).length === 0 ? undefined : subject;
  }
  if (path.kind === "pod" && pod !== undefined) {
    return { kind: "pod", id: pod.uid, runtime: pod.runtime, inPod: true, ...userUid };
  }
  // Slices and sessions tell nothing more: "User Slice of UID 1000".
  if (unit === undefined || (path.kind !== "service" && path.kind !== "unit")) return undefined;
  // The system's bus knows only the system's units.
  if (unit.userUid !== undefined) return undefined;
  return { kind: "unit", id: unit.name, runtime: "systemd", inPod: false };
}

/**
 * Names the subject among all. Whole ids are random, so the namespace tells only ids apart that are
 * names; a user's own runtime never answers for another's cgroups.
 */
export function subjectKey({ kind, id, namespace, userUid }: Subject): string {
  const place = /^[0-9a-f]{64}$/.test(id) ? "" : namespace ?? "";
  return `${kind} ${userUid ?? ""} ${place} ${id}`;
}
