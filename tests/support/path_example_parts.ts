/**
 * Ids and expectations that examples of cgroup paths are made of.
 *
 * @module
 */
import type { PathRecognition } from "../../src/workloads/recognise_path.ts";

export const A = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";
export const B = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
export const UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
export const UID_ = UID.replaceAll("-", "_");
/** kubelet names static pods by a hash of their manifest. */
export const STATIC_UID = "d41d8cd98f00b204e9800998ecf8427e";
export const BUILD = "k3x0t9q2m8z7w6v5u4s3r2p1o";
export const USER = "user.slice/user-1000.slice/user@1000.service";

export const BURSTABLE = `kubepods-burstable-pod${UID_}.slice`;
export const BEST_EFFORT = `kubelet-kubepods-besteffort-pod${UID_}.slice`;

export type Expected = Partial<Omit<PathRecognition, "isRecognised">>;

/** What the path gives for a container: kind, names and level. */
export function container(
  runtime: string,
  id: string,
  level: number,
  rest: Expected = {},
): Expected {
  const name = id.length === 64 ? id.slice(0, 12) : id;
  return { kind: "container", name, id, level, container: { runtime, id }, ...rest };
}

export function kubernetes(
  uid: string,
  qosClass: "guaranteed" | "burstable" | "besteffort",
): Expected {
  return { pod: { uid, qosClass, runtime: "kubernetes" } };
}

export function unit(kind: "service" | "scope" | "slice" | "unit", path: string): Expected {
  const parts = path.split("/");
  return { kind, name: parts.at(-1)!, id: path, level: parts.length - 1 };
}

export function nomad(path: string, rest: Expected = {}): [string, string, Expected] {
  const task = `${UID}.my-task`;
  return [`Nomad, ${path}`, path, container("nomad", task, path.split("/").length - 1, rest)];
}

export function kata(path: string, level: number, rest: Expected = {}): [string, string, Expected] {
  return [`Kata, ${path}`, path, container("kata", A, level, rest)];
}

export const HOST: Expected = { kind: "host", name: "host", id: "host", level: 0 };
