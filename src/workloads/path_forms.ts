/**
 * The forms cgroup paths of containers have, a row each. A new layout is a new row and a new
 * example in `tests/support/path_examples.ts`.
 *
 * @module
 */
import type { PodQosClass } from "../events/mod.ts";

/** What the part of a path that a row matches is. */
export type PathFormKind =
  | "container"
  | "machine"
  | "pod"
  /** Helper processes of a runtime, outside the container. */
  | "monitor"
  /** A directory that only groups containers. */
  | "group";

/**
 * One form: a pattern for one or more path components. Named groups: `id` (container), `uid` and
 * `qos` (pod), `name` (machine), `prefix` (runtime by its word in the path), `namespace` (of
 * containerd).
 */
export interface PathForm {
  readonly form: string;
  readonly kind: PathFormKind;
  /** Sticky; ends at the end of a component. */
  readonly pattern: RegExp;
  /** Runtime, where the form tells; else by `prefix`, else "unknown". */
  readonly runtime?: string;
  /** Only directly below the root of the hierarchy. */
  readonly atRoot?: boolean;
  /** The id is one only if `namespace` is a namespace of containerd on this host. */
  readonly inNamespace?: boolean;
}

/** Words before ids and the runtime each stands for. */
export const RUNTIME_OF_PREFIX: Readonly<Record<string, string>> = {
  "docker": "docker",
  "cri-containerd": "containerd",
  "containerd": "containerd",
  "nerdctl": "containerd",
  "crio": "cri-o",
  "kata": "kata",
  "libpod": "podman",
  "libpod-payload": "podman",
};

const ID = "(?<id>[0-9a-f]{64})";
const QOS = "(?<qos>burstable|besteffort)";
/** An allocation of Nomad and the name of the task in it: what names a task on a host. */
const NOMAD_TASK = "(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\\.[^/]+?)";
/** BuildKit makes ids of 25 characters in base 36. */
const BUILDKIT_ID = "(?<id>[a-z0-9]{25})";
/** kubelet's slice for one pod; dashes of the uid are underscores there. */
const POD_SLICE = `(?:\\w+-)*kubepods(?:-${QOS})?-pod(?<uid>\\w{1,128})\\.slice`;

/** All forms; the first that matches at a component wins. */
export const PATH_FORMS: readonly PathForm[] = [
  row("BuildKit in Docker", "container", `docker/buildkit/${BUILDKIT_ID}`, "buildkit"),
  row("BuildKit in Docker under systemd", "container", `docker-${BUILDKIT_ID}\\.scope`, "buildkit"),
  row("BuildKit", "container", `buildkit/${BUILDKIT_ID}`, "buildkit"),
  row("Docker, cgroupfs driver", "container", `docker/${ID}`, "docker"),
  row(
    "runtime and id as a scope",
    "container",
    `(?<prefix>docker|cri-containerd|nerdctl|crio|libpod|libpod-payload)-${ID}(?:\\.scope)?`,
  ),
  row(
    "systemd path given to a cgroupfs driver, in a pod",
    "container",
    `${POD_SLICE}:(?<prefix>cri-containerd|containerd|crio|docker|kata):${ID}`,
  ),
  row(
    "systemd path given to a cgroupfs driver",
    "container",
    `[^/:]*:(?<prefix>${Object.keys(RUNTIME_OF_PREFIX).join("|")}):${ID}`,
  ),
  row("containerd's CRI, no parent", "container", `k8s\\.io/${ID}`, "containerd"),
  row("ECS on Fargate", "container", `ecs/[^/]+/(?<id>[0-9a-f]{32}-\\d{1,20})`, "containerd"),
  row("ECS", "container", `ecs/(?:[^/]+/)?[0-9a-f-]{32,36}/${ID}`, "docker"),
  row("Garden", "container", `garden/(?<id>[0-9A-Za-z][\\w.-]{7,127})`, "garden"),
  row("Mesos", "container", `mesos/(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`, "mesos"),
  row(
    "Nomad, cgroups v2",
    "container",
    `nomad\\.slice/(?:(?:share|reserve)\\.slice/)?${NOMAD_TASK}(?:\\.scope)?`,
    "nomad",
  ),
  row(
    "Nomad, cgroups v1",
    "container",
    `nomad/(?:(?:share|reserve)/)?${NOMAD_TASK}`,
    "nomad",
  ),
  row("overhead of Kata's virtual machines", "monitor", `kata_overhead(?:/[^/]+)?`),
  row("Kata", "container", `kata_${ID}(?:\\.scope)?`, "kata"),
  row("pod, systemd driver", "pod", POD_SLICE),
  row("pod, cgroupfs driver", "pod", `kubepods(?:/${QOS})?/pod(?<uid>[\\w.-]{1,128})`),
  row("podman pod, systemd", "pod", `(?:\\w+-)*libpod_pod_(?<uid>[0-9a-f]{64})\\.slice`, "podman"),
  row("podman pod, cgroupfs", "pod", `libpod_parent/(?<uid>[0-9a-f]{64})`, "podman"),
  row("conmon of podman", "monitor", `libpod_parent/conmon`),
  row("LXC monitor", "monitor", `lxc\\.(?:monitor|pivot)(?:[./][^/]+)?`),
  row("LXC", "machine", `lxc\\.payload[./](?<name>[^/]+)`, "lxc"),
  row("LXC, older", "machine", `lxc/(?<name>[^/]+)`, "lxc"),
  row(
    "libvirt's LXC",
    "machine",
    `machine-lxc\\\\x2d\\d+\\\\x2d(?<name>[^/]+)\\.scope`,
    "libvirt-lxc",
  ),
  row("libvirt's QEMU", "machine", `machine-qemu\\\\x2d\\d+\\\\x2d(?<name>[^/]+)\\.scope`, "qemu"),
  row("systemd-machined", "machine", `machine-(?<name>[^/]+)\\.scope`, "nspawn"),
  row("systemd-nspawn", "machine", `systemd-nspawn@(?<name>[^/]+)\\.service`, "nspawn"),
  {
    ...row("containerd namespace", "container", `(?<namespace>[^/]+)/(?<id>[^/]{1,128})`),
    runtime: "containerd",
    atRoot: true,
    inNamespace: true,
  },
  row("id alone", "container", ID),
  row("conmon of CRI-O and podman", "monitor", `[\\w.-]*conmon-[0-9a-f]{64}(?:\\.scope)?`),
  row("id behind a word", "container", `[\\w.-]+-${ID}(?:\\.scope)?`),
  row(
    "directory of a runtime",
    "group",
    "docker|docker/buildkit|buildkit|k8s\\.io|libpod_parent|lxc|lxc\\.payload|garden|ecs|mesos" +
      `|nomad|kubepods(?:/${QOS})?`,
  ),
];

/** Class of a pod whose path names none: kubelet leaves it out for guaranteed pods. */
export const QOS_UNNAMED: PodQosClass = "guaranteed";

function row(form: string, kind: PathFormKind, pattern: string, runtime?: string): PathForm {
  const sticky = new RegExp(`(?:${pattern})(?=/|$)`, "y");
  return runtime === undefined
    ? { form, kind, pattern: sticky }
    : { form, kind, pattern: sticky, runtime };
}
