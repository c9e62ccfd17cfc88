/**
 * Which runtimes may know a subject, best first.
 *
 * @module
 */
import type { RuntimeApi, Subject } from "./runtime_client.ts";

/** APIs by the runtime that the path names. */
const BY_RUNTIME: Readonly<Record<string, readonly RuntimeApi[]>> = {
  // Docker's containers are in containerd too (namespace moby), but without their names.
  "docker": ["docker", "cri"],
  "podman": ["podman"],
  "containerd": ["cri", "containerd"],
  "cri-o": ["cri"],
};

const UNKNOWN_IN_POD: readonly RuntimeApi[] = ["cri", "docker", "containerd", "podman"];
const UNKNOWN: readonly RuntimeApi[] = ["docker", "podman", "cri", "containerd"];
/** The namespace that containerd's CRI plug-in puts its containers in. */
const CRI_NAMESPACE = "k8s.io";

/** APIs to ask, in order; none for what no API of ours knows, such as LXC. */
export function apisFor(subject: Subject): readonly RuntimeApi[] {
  const { kind, runtime, namespace } = subject;
  if (kind === "unit") return subject.userUid === undefined ? ["systemd"] : [];
  if (kind === "pod") return runtime === "podman" ? ["podman"] : ["cri"];
  if (namespace !== undefined && namespace !== CRI_NAMESPACE) return ["containerd"];
  if (runtime === "unknown") return subject.inPod ? UNKNOWN_IN_POD : UNKNOWN;
  return BY_RUNTIME[runtime] ?? [];
}

/**
 * Whether an endpoint is believed about the subject. A user can put anything behind a socket of
 * their own, so it counts only for cgroups below that user's service manager.
 */
export function isTrusted(endpointUid: number | undefined, subject: Subject): boolean {
  return endpointUid === undefined || endpointUid === subject.userUid;
}
