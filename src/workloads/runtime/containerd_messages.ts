/**
 * Messages of containerd's own API: only what we read.
 *
 * @module
 */
import { entryOf, fieldsOf, ProtobufWriter, textOf } from "./protobuf.ts";

/** Methods of containerd's services. */
export const CONTAINERD_METHODS = {
  version: "/containerd.services.version.v1.Version/Version",
  namespaces: "/containerd.services.namespaces.v1.Namespaces/List",
  container: "/containerd.services.containers.v1.Containers/Get",
  image: "/containerd.services.images.v1.Images/Get",
  task: "/containerd.services.tasks.v1.Tasks/Get",
  events: "/containerd.services.events.v1.Events/Subscribe",
} as const;

/** Topics that name a container worth asking about, or its end, or a namespace. */
const TOPICS = [
  "/containers/create",
  "/tasks/start",
  "/containers/delete",
  "/namespaces/create",
  "/namespaces/delete",
];

/** Container of GetContainerResponse. */
export interface ContainerdContainer {
  readonly id: string;
  readonly imageName: string;
  readonly labels: readonly (readonly [string, string])[];
}

/** Envelope of an event. */
export interface ContainerdEvent {
  readonly namespace: string;
  readonly topic: string;
  /** Container id, or the namespace's name. */
  readonly subject: string;
}

/** GetContainerRequest, GetImageRequest and (tasks) GetRequest all have the name in field 1. */
export function nameRequest(name: string): Uint8Array {
  return new ProtobufWriter().text(1, name).finish();
}

/** SubscribeRequest for the topics above. */
export function subscribeRequest(): Uint8Array {
  const writer = new ProtobufWriter();
  for (const topic of TOPICS) writer.text(1, `topic=="${topic}"`);
  return writer.finish();
}

/** Version in a VersionResponse. */
export function readVersion(message: Uint8Array): string {
  return firstText(message);
}

/** Names in a ListNamespacesResponse. */
export function readNamespaces(message: Uint8Array): string[] {
  const names: string[] = [];
  for (const { number, bytes } of fieldsOf(message)) {
    if (number === 1) names.push(firstText(bytes));
  }
  return names.filter((name) => name !== "");
}

/** GetContainerResponse; undefined when it holds none. */
export function readContainer(message: Uint8Array): ContainerdContainer | undefined {
  for (const { number, bytes } of fieldsOf(message)) {
    if (number !== 1) continue;
    const labels: (readonly [string, string])[] = [];
    const container = { id: "", imageName: "", labels };
    for (const field of fieldsOf(bytes)) {
      if (field.number === 1) container.id = textOf(field);
      else if (field.number === 2) labels.push(entryOf(field));
      else if (field.number === 3) container.imageName = textOf(field);
    }
    return container;
  }
  return undefined;
}

/** Digest in a GetImageResponse; "" when there is none. */
export function readImageDigest(message: Uint8Array): string {
  const image = nested(message, 1);
  const target = image === undefined ? undefined : nested(image, 3);
  if (target === undefined) return "";
  for (const field of fieldsOf(target)) if (field.number === 2) return textOf(field);
  return "";
}

/** Pid in a task's GetResponse; 0 when there is none. */
export function readTaskPid(message: Uint8Array): number {
  const process = nested(message, 1);
  if (process === undefined) return 0;
  for (const field of fieldsOf(process)) {
    if (field.number === 3) return Number(BigInt.asUintN(32, field.value));
  }
  return 0;
}

/** Envelope; undefined for topics without a subject. */
export function readEvent(message: Uint8Array): ContainerdEvent | undefined {
  let namespace = "";
  let topic = "";
  let payload: Uint8Array | undefined;
  for (const field of fieldsOf(message)) {
    if (field.number === 2) namespace = textOf(field);
    else if (field.number === 3) topic = textOf(field);
    else if (field.number === 4) payload = nested(field.bytes, 2);
  }
  // In all five topics field 1 is the name.
  const subject = payload === undefined ? "" : firstText(payload);
  return subject === "" ? undefined : { namespace, topic, subject };
}

function nested(message: Uint8Array, number: number): Uint8Array | undefined {
  for (const field of fieldsOf(message)) if (field.number === number) return field.bytes;
  return undefined;
}

function firstText(message: Uint8Array): string {
  for (const field of fieldsOf(message)) if (field.number === 1) return textOf(field);
  return "";
}
