/**
 * The JSON members that say whose a process is: `docker` and `pod` as Tetragon has them, and our
 * own `workload`. What is not known is left out.
 *
 * @module
 */
import type {
  Container,
  ContainerImage,
  NestedContainer,
  Pod,
  Unit,
  Workload,
} from "../events/mod.ts";
import { jsonString, pushRaw, pushString } from "./json_text.ts";
import { Rfc3339Format } from "./timestamp.ts";

/** Tetragon shows so many characters of a container's id. */
const DOCKER_LENGTH = 31;

/** Members of an object, each with its comma before it. */
export interface WorkloadFragment {
  /** `docker` and `pod`; without its end when `lacksPid`. */
  readonly identity: string;
  /** `pod.container` still wants its `pid`, which is not the same for each process. */
  readonly lacksPid: boolean;
  /** `workload` with all that is known. */
  readonly full: string;
  /** `workload` with what names it. */
  readonly short: string;
}

/** The members of a workload; worth keeping as long as the workload. */
export function workloadFragment(workload: Workload, times: Rfc3339Format): WorkloadFragment {
  const { container, pod } = workload;
  const docker = container === undefined
    ? ""
    : `,"docker":${jsonString(container.id.slice(0, DOCKER_LENGTH))}`;
  return {
    identity: docker + (pod === undefined ? "" : `,"pod":${podStart(pod, container, times)}`),
    lacksPid: pod !== undefined && container !== undefined,
    full: `,"workload":${fullJson(workload, times)}`,
    short: `,"workload":${shortJson(workload)}`,
  };
}

/** `docker` and `pod`; `pid` is the one that the process has in its own pid namespace. */
export function identityMembers({ identity, lacksPid }: WorkloadFragment, pid?: number): string {
  if (!lacksPid) return identity;
  return pid === undefined ? `${identity}}}` : `${identity},"pid":${pid}}}`;
}

/** With a container it comes last and is left open. */
function podStart(pod: Pod, container: Container | undefined, times: Rfc3339Format): string {
  const parts = ["{"];
  pushString(parts, "namespace", pod.namespace);
  pushString(parts, "name", pod.name);
  pushString(parts, "uid", pod.uid);
  pushTexts(parts, "pod_labels", pod.labels);
  pushTexts(parts, "pod_annotations", pod.annotations);
  if (container === undefined) return parts.join("") + "}";
  const fields = ["{"];
  pushString(fields, "id", `${container.runtime}://${container.id}`);
  pushString(fields, "name", pod.containerName ?? container.name);
  pushImage(fields, container.image);
  pushTime(fields, container.startTimeNs, times);
  pushRaw(parts, "container", fields.join(""));
  return parts.join("");
}

function shortJson({ kind, name, id, source, reason }: Workload): string {
  const parts = ["{"];
  pushString(parts, "kind", kind);
  pushString(parts, "name", name);
  pushString(parts, "id", id);
  pushString(parts, "source", source);
  pushString(parts, "reason", reason);
  return parts.join("") + "}";
}

function fullJson(workload: Workload, times: Rfc3339Format): string {
  const { unit, container, pod, userUid, inner, outer } = workload;
  const parts = ["{"];
  pushString(parts, "kind", workload.kind);
  pushString(parts, "name", workload.name);
  pushString(parts, "id", workload.id);
  if (unit !== undefined) pushRaw(parts, "unit", unitJson(unit));
  if (container !== undefined) pushRaw(parts, "container", containerJson(container, times));
  if (pod !== undefined) pushRaw(parts, "pod", podJson(pod));
  pushNumber(parts, "user_uid", userUid);
  if (inner !== undefined) pushRaw(parts, "inner", nestedJson(inner));
  if (outer !== undefined) pushRaw(parts, "outer", nestedJson(outer));
  pushString(parts, "source", workload.source);
  pushString(parts, "reason", workload.reason);
  return parts.join("") + "}";
}

function unitJson(unit: Unit): string {
  const parts = ["{"];
  pushString(parts, "name", unit.name);
  pushString(parts, "template", unit.template);
  pushString(parts, "instance", unit.instance);
  pushString(parts, "slice", unit.slice);
  pushNumber(parts, "user_uid", unit.userUid);
  pushString(parts, "description", unit.description);
  return parts.join("") + "}";
}

function containerJson(container: Container, times: Rfc3339Format): string {
  const parts = ["{"];
  pushString(parts, "runtime", container.runtime);
  pushString(parts, "id", container.id);
  pushString(parts, "name", container.name);
  pushImage(parts, container.image);
  pushTexts(parts, "labels", container.labels);
  pushTime(parts, container.startTimeNs, times);
  pushNumber(parts, "pid", container.pid);
  return parts.join("") + "}";
}

function podJson(pod: Pod): string {
  const parts = ["{"];
  pushString(parts, "uid", pod.uid);
  pushString(parts, "namespace", pod.namespace);
  pushString(parts, "name", pod.name);
  pushString(parts, "qos_class", pod.qosClass);
  pushString(parts, "sandbox_id", pod.sandboxId);
  pushString(parts, "container_name", pod.containerName);
  return parts.join("") + "}";
}

function nestedJson({ runtime, id, podUid }: NestedContainer): string {
  const parts = ["{"];
  pushString(parts, "runtime", runtime);
  pushString(parts, "id", id);
  pushString(parts, "pod_uid", podUid);
  return parts.join("") + "}";
}

function pushImage(parts: string[], image: ContainerImage | undefined): void {
  const fields = ["{"];
  pushString(fields, "id", image?.id);
  pushString(fields, "name", image?.name);
  if (fields.length > 1) pushRaw(parts, "image", fields.join("") + "}");
}

/** Also 0, which is a uid. */
function pushNumber(parts: string[], key: string, value: number | undefined): void {
  if (value !== undefined) pushRaw(parts, key, String(value));
}

function pushTime(parts: string[], timeNs: bigint | undefined, times: Rfc3339Format): void {
  if (timeNs !== undefined) pushRaw(parts, "start_time", `"${times.format(timeNs)}"`);
}

function pushTexts(
  parts: string[],
  key: string,
  texts: Readonly<Record<string, string>> | undefined,
): void {
  const members = Object.entries(texts ?? {});
  if (members.length === 0) return;
  const shown = members.map(([name, text]) => `${jsonString(name)}:${jsonString(text)}`);
  pushRaw(parts, key, `{${shown.join(",")}}`);
}

/** A workload alone, with all that is known, for lists. */
export function workloadJson(workload: Workload): string {
  return fullJson(workload, new Rfc3339Format());
}
