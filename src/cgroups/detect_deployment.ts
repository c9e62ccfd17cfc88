/**
 * How the agent itself was started.
 *
 * @module
 */
import type { HostFiles } from "./host_files.ts";
import { isNamespaced } from "./own_namespaces.ts";

/** Places an agent runs in. */
export type DeploymentKind =
  /** A pod. */
  | "kubernetes"
  /** A container without Kubernetes. */
  | "container"
  /** A service of the system's systemd. */
  | "systemd_service"
  /** Below a user's systemd or login session. */
  | "systemd_user"
  /** Started by hand or by another service manager. */
  | "plain";

/** The place and how it is known. */
export interface Deployment {
  readonly kind: DeploymentKind;
  /** Unit of the two systemd kinds, or session scope. */
  readonly unit?: string;
  /** Also for a service of a systemd that is inside of a container. */
  readonly isInContainer: boolean;
  /** What was found, in words; the first one decided. */
  readonly evidence: readonly string[];
  /** What speaks for another kind but did not convince. */
  readonly doubts: readonly string[];
}

/** What is looked at. */
export interface DeploymentSources {
  readonly files: HostFiles;
  readonly environment: Readonly<Record<string, string>>;
  /** Own paths in all hierarchies, as `wholeOwnPath()` gives them. */
  readonly ownPaths: readonly string[];
  /** Own pid, which systemd gives in SYSTEMD_EXEC_PID to the process it started. */
  readonly pid: number;
}

const POD_PATH = /(^|\/)(kubepods|[^/]*-kubepods)(\.slice|-|\/|$)/;
/** One part of such a path; containerd without systemd makes "SLICE:cri-containerd:ID". */
const CONTAINER_PART =
  /^(([^/]+[-:])?[0-9a-f]{64}(\.scope)?|lxc(\.payload)?\..+|machine-.+\.scope|lxc)$/;

/** Names the place; the strongest evidence first. */
export function detectDeployment(sources: DeploymentSources): Deployment {
  const pod = podEvidence(sources);
  const container = containerEvidence(sources);
  const service = serviceEvidence(sources);
  const found = (
    kind: DeploymentKind,
    evidence: readonly string[],
    doubts: readonly string[] = [],
    unit?: string,
  ): Deployment => ({
    kind,
    ...(unit === undefined ? {} : { unit }),
    isInContainer: pod.sure.length > 0 || container.sure.length > 0,
    evidence,
    doubts,
  });
  const inContainer = [...pod.sure, ...container.sure];
  if (pod.sure.length > 0) return found("kubernetes", inContainer);
  if (service !== null && service.kind === "systemd_service") {
    const evidence = [...service.evidence, ...inContainer];
    return found("systemd_service", evidence, container.doubts, service.unit);
  }
  if (container.sure.length > 0) return found("container", inContainer, container.doubts);
  const doubts = [...pod.doubts, ...container.doubts];
  if (service !== null) return found(service.kind, service.evidence, doubts, service.unit);
  return found("plain", ["no sign of a container, a service or a login session"], doubts);
}

interface Evidence {
  readonly sure: readonly string[];
  /** Things that also stand where they do not belong, such as in images of virtual machines. */
  readonly doubts: readonly string[];
}

function podEvidence({ files, environment, ownPaths }: DeploymentSources): Evidence {
  const sure: string[] = [];
  const path = ownPaths.find((path) => POD_PATH.test(path));
  if (path !== undefined) sure.push(`own cgroup "${path}" is a pod's`);
  if (environment["KUBERNETES_SERVICE_HOST"] !== undefined) {
    sure.push("KUBERNETES_SERVICE_HOST is set");
  }
  const account = "/var/run/secrets/kubernetes.io/serviceaccount";
  if (files.exists(account)) sure.push(`"${account}" exists`);
  return { sure, doubts: [] };
}

function containerEvidence({ files, ownPaths }: DeploymentSources): Evidence {
  const sure: string[] = [];
  const doubts: string[] = [];
  const path = ownPaths.find((path) => path.split("/").some((part) => CONTAINER_PART.test(part)));
  if (path !== undefined) sure.push(`own cgroup "${path}" is a container's`);
  if (isNamespaced(files, "pid") === true) sure.push("pid namespace is not the host's");
  if (isNamespaced(files, "cgroup") === true) {
    // systemd gives one to services with ProtectControlGroups=private.
    doubts.push("cgroup namespace is not the host's");
  }
  // systemd, LXC, podman and docker-in-docker tell what is inside by this variable of pid 1.
  const word = (files.readText("/proc/1/environ") ?? "").split("\0")
    .find((entry) => entry.startsWith("container="));
  if (word !== undefined) sure.push(`pid 1 has ${word.replace(/[^\w=.-]/g, "?")}`);
  for (const path of ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"]) {
    if (!files.exists(path)) continue;
    const isLeftOver = path === "/.dockerenv" && sure.length === 0;
    if (isLeftOver) doubts.push(`"${path}" exists, as it does where an image became a disk`);
    else sure.push(`"${path}" exists`);
  }
  return { sure, doubts };
}

interface ServiceEvidence {
  readonly kind: "systemd_service" | "systemd_user";
  readonly unit: string;
  readonly evidence: readonly string[];
}

function serviceEvidence(
  { ownPaths, environment, pid }: DeploymentSources,
): ServiceEvidence | null {
  for (const path of ownPaths) {
    const parts = path.split("/").filter((part) => part !== "");
    const isUser = parts.some((part) =>
      /^(user\.slice|user-\d+\.slice|user@\d+\.service)$/.test(part)
    );
    const unit = parts.findLast((part) => /\.(service|scope)$/.test(part));
    // A container below its runtime's service is not that service.
    const isContainer = parts.findLastIndex((part) => CONTAINER_PART.test(part)) >=
      parts.lastIndexOf(unit ?? "");
    // init.scope is systemd itself; session scopes are a user's.
    if (unit === undefined || isContainer || (!isUser && !unit.endsWith(".service"))) continue;
    const evidence = [`own cgroup is "${path}"`];
    if (environment["SYSTEMD_EXEC_PID"] === String(pid)) {
      evidence.push("SYSTEMD_EXEC_PID is this process");
    }
    if (environment["NOTIFY_SOCKET"] !== undefined) evidence.push("NOTIFY_SOCKET is set");
    return { kind: isUser ? "systemd_user" : "systemd_service", unit, evidence };
  }
  // In a cgroup namespace the path says nothing.
  if (environment["SYSTEMD_EXEC_PID"] === String(pid)) {
    const evidence = ["SYSTEMD_EXEC_PID is this process"];
    return { kind: "systemd_service", unit: "", evidence };
  }
  return null;
}
