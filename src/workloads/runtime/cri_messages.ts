/**
 * Messages of the Kubernetes container runtime interface, package runtime.v1: only what we read.
 *
 * @module
 */
import { entryOf, fieldsOf, int64Of, ProtobufWriter, textOf } from "./protobuf.ts";

/** Methods of `runtime.v1.RuntimeService`. */
export const CRI_METHODS = {
  version: "/runtime.v1.RuntimeService/Version",
  listContainers: "/runtime.v1.RuntimeService/ListContainers",
  containerStatus: "/runtime.v1.RuntimeService/ContainerStatus",
  listPodSandbox: "/runtime.v1.RuntimeService/ListPodSandbox",
  getContainerEvents: "/runtime.v1.RuntimeService/GetContainerEvents",
} as const;

type Entries = readonly (readonly [string, string])[];

/** Container of ListContainers. */
export interface CriContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly imageName: string;
  readonly imageRef: string;
  readonly labels: Entries;
}

/** What ContainerStatus adds. */
export interface CriContainerStatus {
  readonly startedAtNs: bigint;
  /** JSON text of `info["info"]`, when the server gives it. */
  readonly info: string;
}

/** PodSandbox of ListPodSandbox. */
export interface CriSandbox {
  readonly id: string;
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  readonly isReady: boolean;
  readonly createdAtNs: bigint;
  readonly labels: Entries;
  readonly annotations: Entries;
}

/** VersionRequest. */
export function versionRequest(): Uint8Array {
  return new ProtobufWriter().text(1, "v1").finish();
}

/** Name and version of the runtime in a VersionResponse. */
export function readVersion(
  message: Uint8Array,
): { readonly name: string; readonly version: string } {
  const found = { name: "", version: "" };
  for (const field of fieldsOf(message)) {
    if (field.number === 2) found.name = textOf(field);
    else if (field.number === 3) found.version = textOf(field);
  }
  return found;
}

/** ListContainersRequest for one id. */
export function listContainersRequest(id: string): Uint8Array {
  return new ProtobufWriter().bytes(1, new ProtobufWriter().text(1, id).finish()).finish();
}

/** ListPodSandboxRequest for one id, or for all with a label, or for all. */
export function listSandboxesRequest(
  filter: { readonly id?: string; readonly label?: readonly [string, string] },
): Uint8Array {
  const message = new ProtobufWriter().text(1, filter.id ?? "");
  if (filter.label !== undefined) {
    const [key, value] = filter.label;
    message.bytes(3, new ProtobufWriter().text(1, key).text(2, value).finish());
  }
  return new ProtobufWriter().bytes(1, message.finish()).finish();
}

/** ContainerStatusRequest; verbose, because only that has the process id. */
export function containerStatusRequest(id: string): Uint8Array {
  return new ProtobufWriter().text(1, id).flag(2, true).finish();
}

/** ListContainersResponse. */
export function readContainers(message: Uint8Array): CriContainer[] {
  const containers: CriContainer[] = [];
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === 1) containers.push(readContainer(bytes));
  }
  return containers;
}

function readContainer(message: Uint8Array): CriContainer {
  const labels: (readonly [string, string])[] = [];
  const container = { id: "", sandboxId: "", name: "", imageName: "", imageRef: "", labels };
  for (const field of fieldsOf(message)) {
    if (field.number === 1) container.id = textOf(field);
    else if (field.number === 2) container.sandboxId = textOf(field);
    else if (field.number === 3) container.name = firstText(field.bytes);
    else if (field.number === 4) container.imageName = firstText(field.bytes);
    else if (field.number === 5) container.imageRef = textOf(field);
    else if (field.number === 8) labels.push(entryOf(field));
  }
  return container;
}

/** ContainerStatusResponse. */
export function readContainerStatus(message: Uint8Array): CriContainerStatus {
  let startedAtNs = 0n;
  let info = "";
  for (const field of fieldsOf(message)) {
    if (field.number === 1) {
      for (const part of fieldsOf(field.bytes)) if (part.number === 5) startedAtNs = int64Of(part);
    } else if (field.number === 2) {
      const [key, value] = entryOf(field);
      if (key === "info") info = value;
    }
  }
  return { startedAtNs, info };
}

/** ListPodSandboxResponse. */
export function readSandboxes(message: Uint8Array): CriSandbox[] {
  const sandboxes: CriSandbox[] = [];
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === 1) sandboxes.push(readSandbox(bytes));
  }
  return sandboxes;
}

function readSandbox(message: Uint8Array): CriSandbox {
  const labels: (readonly [string, string])[] = [];
  const annotations: (readonly [string, string])[] = [];
  let metadata = { name: "", uid: "", namespace: "" };
  let id = "";
  // SANDBOX_READY is 0, which proto3 leaves out.
  let state = 0n;
  let createdAtNs = 0n;
  for (const field of fieldsOf(message)) {
    if (field.number === 1) id = textOf(field);
    else if (field.number === 2) metadata = readSandboxMetadata(field.bytes);
    else if (field.number === 3) state = field.value;
    else if (field.number === 4) createdAtNs = int64Of(field);
    else if (field.number === 5) labels.push(entryOf(field));
    else if (field.number === 6) annotations.push(entryOf(field));
  }
  return { id, ...metadata, isReady: state === 0n, createdAtNs, labels, annotations };
}

function readSandboxMetadata(
  message: Uint8Array,
): { name: string; uid: string; namespace: string } {
  const metadata = { name: "", uid: "", namespace: "" };
  for (const field of fieldsOf(message)) {
    if (field.number === 1) metadata.name = textOf(field);
    else if (field.number === 2) metadata.uid = textOf(field);
    else if (field.number === 3) metadata.namespace = textOf(field);
  }
  return metadata;
}

/** ContainerEventResponse: the container and whether it was deleted. */
export function readContainerEvent(message: Uint8Array): { id: string; isDeleted: boolean } {
  let id = "";
  let type = 0n;
  for (const field of fieldsOf(message)) {
    if (field.number === 1) id = textOf(field);
    else if (field.number === 2) type = field.value;
  }
  // CONTAINER_DELETED_EVENT.
  return { id, isDeleted: type === 3n };
}

/** Field 1 of ContainerMetadata (name) and of ImageSpec (image). */
function firstText(message: Uint8Array): string {
  let text = "";
  for (const field of fieldsOf(message)) if (field.number === 1) text = textOf(field);
  return text;
}
