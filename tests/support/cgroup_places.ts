/**
 * Cgroups as runtimes and systemd lay them out, each with the workload that its processes have.
 *
 * @module
 */

/** One cgroup of a workload. */
export interface PlaceExample {
  /** Argument of the program that is run there; unlike all others. */
  readonly mark: string;
  readonly path: string;
  /** Cgroup that names the workload; `path` unless the process is deeper. */
  readonly namedBy?: string;
  /** Whether its processes have namespaces of their own. */
  readonly isContainer?: boolean;
  /** Whether user 1000 makes it, below a directory that was given to that user. */
  readonly isDelegated?: boolean;
  /** `process.docker`, where there is one. */
  readonly docker?: string;
  /** `process.workload`, but for `source` and `reason`. */
  readonly workload: Readonly<Record<string, unknown>>;
}

const ID = "4f1c09e2d3b7a685".repeat(4);
const POD_UID = "6f9c2f5e-0d4b-4c1a-9a39-2f9d1f0f3c11";
/** What systemd makes of dashes in a slice's name. */
const POD_SLICE_UID = POD_UID.replaceAll("-", "_");

/** An id unlike those of the other examples. */
function idOf(first: string): string {
  return first + ID.slice(first.length);
}

const MANAGER = "/user.slice/user-1000.slice/user@1000.service";
const SCOPE = { slice: "system.slice" };
const PODS = "/kubepods.slice/kubepods-besteffort.slice";

/** Made while the agent runs: the kernel tells of them. */
export const NEW_PLACES: readonly PlaceExample[] = [
  {
    mark: "docker-systemd",
    path: `/system.slice/docker-${idOf("a1")}.scope`,
    isContainer: true,
    docker: idOf("a1").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a1").slice(0, 12), id: idOf("a1") },
      unit: { name: `docker-${idOf("a1")}.scope`, ...SCOPE },
      container: { runtime: "docker", id: idOf("a1") },
    },
  },
  {
    mark: "docker-cgroupfs",
    path: `/docker/${idOf("a2")}`,
    isContainer: true,
    docker: idOf("a2").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a2").slice(0, 12), id: idOf("a2") },
      container: { runtime: "docker", id: idOf("a2") },
    },
  },
  {
    mark: "docker-deeper",
    path: `/docker/${idOf("a3")}/init.scope/docker/${idOf("b3")}`,
    namedBy: `/docker/${idOf("a3")}`,
    isContainer: true,
    docker: idOf("a3").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a3").slice(0, 12), id: idOf("a3") },
      container: { runtime: "docker", id: idOf("a3") },
      inner: { runtime: "docker", id: idOf("b3") },
    },
  },
  {
    mark: "pod-cgroupfs",
    path: `/kubepods/burstable/pod${POD_UID}/${idOf("a4")}`,
    isContainer: true,
    docker: idOf("a4").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a4").slice(0, 12), id: idOf("a4") },
      container: { runtime: "unknown", id: idOf("a4") },
      pod: { uid: POD_UID, qos_class: "burstable" },
    },
  },
  {
    mark: "pod-systemd",
    path: `${PODS}/kubepods-besteffort-pod${POD_SLICE_UID}.slice/cri-containerd-${
      idOf("a5")
    }.scope`,
    isContainer: true,
    docker: idOf("a5").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a5").slice(0, 12), id: idOf("a5") },
      unit: {
        name: `cri-containerd-${idOf("a5")}.scope`,
        slice: `kubepods-besteffort-pod${POD_SLICE_UID}.slice`,
      },
      container: { runtime: "containerd", id: idOf("a5") },
      pod: { uid: POD_UID, qos_class: "besteffort" },
    },
  },
  {
    mark: "rootless-podman",
    path: `${MANAGER}/user.slice/libpod-${idOf("a6")}.scope/container`,
    namedBy: `${MANAGER}/user.slice/libpod-${idOf("a6")}.scope`,
    isContainer: true,
    docker: idOf("a6").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("a6").slice(0, 12), id: idOf("a6") },
      unit: { name: `libpod-${idOf("a6")}.scope`, slice: "user.slice", user_uid: 1000 },
      container: { runtime: "podman", id: idOf("a6") },
      user_uid: 1000,
    },
  },
  {
    mark: "template-unit",
    path: "/system.slice/system-web.slice/web@front\\x2dend.service/worker",
    namedBy: "/system.slice/system-web.slice/web@front\\x2dend.service",
    workload: {
      ...{ kind: "service", name: "web@front\\x2dend.service" },
      id: "/system.slice/system-web.slice/web@front\\x2dend.service",
      unit: {
        ...{ name: "web@front\\x2dend.service", template: "web@.service" },
        ...{ instance: "front-end", slice: "system-web.slice" },
      },
    },
  },
  {
    mark: "login-session",
    path: "/user.slice/user-1000.slice/session-7.scope",
    workload: {
      ...{ kind: "session", name: "7", id: "7" },
      unit: { name: "session-7.scope", slice: "user-1000.slice" },
      user_uid: 1000,
    },
  },
  {
    mark: "delegated-scope",
    path: `${MANAGER}/app.slice/run-editor.scope`,
    isDelegated: true,
    workload: {
      ...{ kind: "scope", name: "run-editor.scope" },
      id: `${MANAGER}/app.slice/run-editor.scope`,
      unit: { name: "run-editor.scope", slice: "app.slice", user_uid: 1000 },
      user_uid: 1000,
    },
  },
  {
    mark: "unlike-any-form",
    path: "/batch/jobs",
    workload: { kind: "host", name: "host", id: "host" },
  },
];

/** Made, with a process each, before the agent starts: the walk finds them. */
export const OLD_PLACES: readonly PlaceExample[] = [
  {
    mark: "1001",
    path: `/docker/${idOf("c1")}`,
    isContainer: true,
    docker: idOf("c1").slice(0, 31),
    workload: {
      ...{ kind: "container", name: idOf("c1").slice(0, 12), id: idOf("c1") },
      container: { runtime: "docker", id: idOf("c1") },
    },
  },
  {
    mark: "1002",
    path: "/system.slice/old.service",
    workload: {
      ...{ kind: "service", name: "old.service", id: "/system.slice/old.service" },
      unit: { name: "old.service", slice: "system.slice" },
    },
  },
];
