/**
 * Who a process belongs to: a container, a pod, a systemd unit, a login session or the host.
 * Immutable once published: what is learned later makes a new object.
 *
 * @module
 */

/** What a workload is. */
export type WorkloadKind =
  /** A container of a runtime, alone or in a pod. */
  | "container"
  /** A pod's own cgroup, or its sandbox (pause) container. */
  | "pod"
  /** A system container or virtual machine with its own init: LXC, nspawn, libvirt. */
  | "machine"
  | "service"
  | "scope"
  | "slice"
  /** Another systemd unit with a cgroup: mount, socket, swap. */
  | "unit"
  /** A login session of logind. */
  | "session"
  /** Everything else on the host. */
  | "host";

/** How a workload is known. */
export type WorkloadSource =
  /** From the cgroup's name in a kernel record. */
  | "kernel"
  /** From a path of /proc or /sys/fs/cgroup. */
  | "path"
  /** A runtime or service manager has given the names. */
  | "runtime"
  /** From the path so far; a runtime is being asked. */
  | "pending"
  /** Not known. */
  | "none";

/** Why a workload is not known, or not as well as a runtime could tell. */
export type WorkloadReason =
  /** The kernel gave cgroup id 0. */
  | "zero_cgroup_id"
  /** The id is in no table and no path was found. */
  | "unknown_cgroup"
  /** The path has no form we know, so it counts as the host's. */
  | "unrecognised_path"
  /** A runtime is being asked. */
  | "lookup_running"
  /** The queue of questions was full; asked again later. */
  | "lookup_queue_full"
  /** No runtime that could know it was found on this host. */
  | "no_runtime"
  /** A runtime that could know it did not answer. */
  | "runtime_failed"
  /** All runtimes answered, none knows it. */
  | "unknown_to_runtime"
  /**
   * The process entered a container's cgroup, but not its pid namespace: it is still whose it was
   * before, such as a runtime that prepares a container.
   */
  | "entered_from_outside"
  /** The agent could not find out how this host uses cgroups. */
  | "cgroups_not_followed";

/** Image of a container. */
export interface ContainerImage {
  /** Digest as the runtime gives it, such as "sha256:...". */
  readonly id?: string;
  readonly name?: string;
}

/** A container. Only `runtime` and `id` are known from a path. */
export interface Container {
  /** docker, podman, containerd, cri-o, lxc, nspawn, ...; "unknown" when the path does not tell. */
  readonly runtime: string;
  /** Whole id, most often 64 hexadecimal digits; for lxc and nspawn the machine's name. */
  readonly id: string;
  readonly name?: string;
  readonly image?: ContainerImage;
  /** Cut to bounds in number and bytes; what is left out is counted. */
  readonly labels?: Readonly<Record<string, string>>;
  /** ns since the epoch. */
  readonly startTimeNs?: bigint;
  /** tgid of its first process on the host. */
  readonly pid?: number;
}

/** Kubernetes quality-of-service class, from the cgroup path. */
export type PodQosClass = "guaranteed" | "burstable" | "besteffort";

/** A pod of Kubernetes, of a bare CRI runtime, or of podman. Only `uid` is known from a path. */
export interface Pod {
  /** Uid from the API; for static pods a hash, for podman the pod's id. */
  readonly uid: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly qosClass?: PodQosClass;
  /** Id of the sandbox (pause) container. */
  readonly sandboxId?: string;
  /** Name of this container in the pod's specification. */
  readonly containerName?: string;
  /** Cut to bounds, as for containers. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Cut to bounds, as for containers. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A systemd unit. */
export interface Unit {
  /** As systemctl prints it, escapes included. */
  readonly name: string;
  /** "getty@.service" for "getty@tty1.service". */
  readonly template?: string;
  /** What stands after "@", unescaped. */
  readonly instance?: string;
  /** Innermost slice it is in. */
  readonly slice?: string;
  /** User whose service manager runs it; missing for units of the system. */
  readonly userUid?: number;
  readonly description?: string;
}

/** A container inside or around the workload, as its path shows. */
export interface NestedContainer {
  readonly runtime: string;
  readonly id: string;
  readonly podUid?: string;
}

/** Who a process belongs to. */
export interface Workload {
  readonly kind: WorkloadKind;
  /** What people call it; until names are learned the short id. Never empty. */
  readonly name: string;
  /** Container id, pod uid, session id or cgroup path of the unit; "host" for the host. */
  readonly id: string;
  readonly unit?: Unit;
  readonly container?: Container;
  readonly pod?: Pod;
  /** Uid of the login session or user slice it is in. */
  readonly userUid?: number;
  /** Innermost container below this one, such as a container of Docker in a pod. */
  readonly inner?: NestedContainer;
  /**
   * Container around this one: the agent runs in it too, such as a node of kind, or the first
   * process came out of it, such as in a container of Docker in a pod.
   */
  readonly outer?: NestedContainer;
  readonly source: WorkloadSource;
  /** Always there for `pending` and `none`. */
  readonly reason?: WorkloadReason;
}
