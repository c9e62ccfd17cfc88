/**
 * Cgroup paths as runtimes and systemd make them, and the workload each names. A layout that is not
 * recognised begins with a line here.
 *
 * @module
 */
import {
  A,
  B,
  BEST_EFFORT,
  BUILD,
  BURSTABLE,
  container,
  type Expected,
  HOST,
  kata,
  kubernetes,
  nomad,
  STATIC_UID,
  UID,
  UID_,
  unit,
  USER,
} from "./path_example_parts.ts";

/** Form, path, what must be recognised. Keys that are not listed here must not be there. */
export const PATH_EXAMPLES: readonly (readonly [string, string, Expected])[] = [
  ["Docker, cgroupfs", `/docker/${A}`, container("docker", A, 2)],
  ["Docker, systemd", `/system.slice/docker-${A}.scope`, {
    ...container("docker", A, 2),
    unit: { name: `docker-${A}.scope`, slice: "system.slice" },
  }],
  ["Docker, --cgroup-parent", `/tenants/blue/${A}`, container("unknown", A, 3)],
  ["Docker, --cgroup-parent slice", `/tenants.slice/docker-${A}.scope`, {
    ...container("docker", A, 2),
    unit: { name: `docker-${A}.scope`, slice: "tenants.slice" },
  }],
  ["Docker, cgroup of the service", `/system.slice/docker.service/docker/${A}`, {
    ...container("docker", A, 4),
    unit: { name: "docker.service", slice: "system.slice" },
  }],
  ["Docker, rootless", `/${USER}/user.slice/docker-${A}.scope`, {
    ...container("docker", A, 5),
    unit: { name: `docker-${A}.scope`, slice: "user.slice", userUid: 1000 },
    userUid: 1000,
  }],
  ["Docker, BuildKit step", `/docker/buildkit/${BUILD}`, container("buildkit", BUILD, 3)],
  ["Docker, BuildKit step, systemd", `/system.slice/docker-${BUILD}.scope`, {
    ...container("buildkit", BUILD, 2),
    unit: { name: `docker-${BUILD}.scope`, slice: "system.slice" },
  }],
  ["BuildKit daemon", `/buildkit/${BUILD}`, container("buildkit", BUILD, 2)],
  ["containerd CRI without parent", `/k8s.io/${A}`, container("containerd", A, 2)],
  ["containerd CRI, any parent", `/test/pods/${A}`, container("unknown", A, 3)],
  ["ctr", "/default/web-1", {
    ...container("containerd", "web-1", 2),
    container: { runtime: "containerd", id: "web-1", namespace: "default" },
  }],
  ["nerdctl, cgroupfs", `/default/${A}`, {
    ...container("containerd", A, 2),
    container: { runtime: "containerd", id: A, namespace: "default" },
  }],
  ["nerdctl, systemd", `/system.slice/nerdctl-${A}.scope`, {
    ...container("containerd", A, 2),
    unit: { name: `nerdctl-${A}.scope`, slice: "system.slice" },
  }],
  ["a service below default", "/default/web.service", {
    ...unit("service", "/default/web.service"),
    unit: { name: "web.service" },
  }],
  [
    "kubepods, systemd, burstable, containerd",
    `/kubepods.slice/kubepods-burstable.slice/${BURSTABLE}/cri-containerd-${A}.scope`,
    {
      ...container("containerd", A, 4, kubernetes(UID, "burstable")),
      unit: { name: `cri-containerd-${A}.scope`, slice: BURSTABLE },
    },
  ],
  [
    "kubepods, systemd, guaranteed, cri-o",
    `/kubepods.slice/kubepods-pod${UID_}.slice/crio-${A}.scope`,
    {
      ...container("cri-o", A, 3, kubernetes(UID, "guaranteed")),
      unit: { name: `crio-${A}.scope`, slice: `kubepods-pod${UID_}.slice` },
    },
  ],
  [
    "kubepods, systemd, kubelet root",
    `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/${BEST_EFFORT}` +
    `/cri-containerd-${A}.scope`,
    {
      ...container("containerd", A, 5, kubernetes(UID, "besteffort")),
      unit: {
        name: `cri-containerd-${A}.scope`,
        slice: BEST_EFFORT,
      },
    },
  ],
  [
    "kubepods, systemd, the pod",
    `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice`,
    {
      kind: "pod",
      name: UID,
      id: UID,
      level: 3,
      ...kubernetes(UID, "besteffort"),
      unit: {
        name: `kubepods-besteffort-pod${UID_}.slice`,
        slice: "kubepods-besteffort.slice",
      },
    },
  ],
  [
    "kubepods, cgroupfs, containerd",
    `/kubepods/burstable/pod${UID}/${A}`,
    container("unknown", A, 4, kubernetes(UID, "burstable")),
  ],
  [
    "kubepods, cgroupfs, guaranteed",
    `/kubepods/pod${UID}/${A}`,
    container("unknown", A, 3, kubernetes(UID, "guaranteed")),
  ],
  [
    "kubepods, cgroupfs, static pod",
    `/kubepods/besteffort/pod${STATIC_UID}/${A}`,
    container("unknown", A, 4, kubernetes(STATIC_UID, "besteffort")),
  ],
  [
    "kubepods, cgroupfs, cri-o",
    `/kubepods/burstable/pod${UID}/crio-${A}`,
    container("cri-o", A, 4, kubernetes(UID, "burstable")),
  ],
  ["kubepods, cgroupfs, the pod", `/kubepods/burstable/pod${UID}`, {
    kind: "pod",
    name: UID,
    id: UID,
    level: 3,
    ...kubernetes(UID, "burstable"),
  }],
  ["kubepods, cgroupfs, a class", "/kubepods/burstable", HOST],
  ["kubepods, systemd, a class", "/kubepods.slice/kubepods-burstable.slice", {
    ...unit("slice", "/kubepods.slice/kubepods-burstable.slice"),
    unit: { name: "kubepods-burstable.slice", slice: "kubepods.slice" },
  }],
  [
    "systemd path given to cgroupfs, pod",
    `/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${A}`,
    {
      ...container("containerd", A, 3, kubernetes(UID, "burstable")),
      unit: { name: "containerd.service", slice: "system.slice" },
    },
  ],
  [
    "systemd path given to cgroupfs, kubepods",
    `/kubepods.slice:cri-containerd:${A}`,
    container("containerd", A, 1),
  ],
  [
    "systemd path given to cgroupfs, Docker",
    `/system.slice:docker:${A}`,
    container("docker", A, 1),
  ],
  ["crun sub-group", `/kubepods.slice/kubepods-pod${UID_}.slice/crio-${A}.scope/container`, {
    ...container("cri-o", A, 3, kubernetes(UID, "guaranteed")),
    unit: { name: `crio-${A}.scope`, slice: `kubepods-pod${UID_}.slice` },
  }],
  ["conmon of CRI-O", `/kubepods.slice/kubepods-pod${UID_}.slice/crio-conmon-${A}.scope`, {
    kind: "pod",
    name: UID,
    id: UID,
    level: 2,
    ...kubernetes(UID, "guaranteed"),
    unit: { name: `crio-conmon-${A}.scope`, slice: `kubepods-pod${UID_}.slice` },
  }],
  ["conmon of CRI-O, cgroupfs", `/crio/crio-conmon-${A}`, HOST],
  ["CRI-O without pod", `/machine.slice/crio-${A}.scope`, {
    ...container("cri-o", A, 2),
    unit: { name: `crio-${A}.scope`, slice: "machine.slice" },
  }],
  ["podman, systemd", `/machine.slice/libpod-${A}.scope`, {
    ...container("podman", A, 2),
    unit: { name: `libpod-${A}.scope`, slice: "machine.slice" },
  }],
  ["podman, systemd, crun", `/machine.slice/libpod-${A}.scope/container`, {
    ...container("podman", A, 2),
    unit: { name: `libpod-${A}.scope`, slice: "machine.slice" },
  }],
  ["podman, systemd in the container", `/machine.slice/libpod-${A}.scope/container/init.scope`, {
    ...container("podman", A, 2),
    unit: { name: `libpod-${A}.scope`, slice: "machine.slice" },
  }],
  ["podman, cgroupfs", `/libpod_parent/libpod-${A}`, container("podman", A, 2)],
  ["podman, conmon, cgroupfs", "/libpod_parent/conmon", HOST],
  ["podman, conmon, systemd", `/machine.slice/libpod-conmon-${A}.scope`, {
    ...unit("scope", `/machine.slice/libpod-conmon-${A}.scope`),
    unit: { name: `libpod-conmon-${A}.scope`, slice: "machine.slice" },
  }],
  ["podman, rootless", `/${USER}/user.slice/libpod-${A}.scope/container`, {
    ...container("podman", A, 5),
    unit: { name: `libpod-${A}.scope`, slice: "user.slice", userUid: 1000 },
    userUid: 1000,
  }],
  ["podman, unit with split cgroups", `/system.slice/web.service/libpod-payload-${A}`, {
    ...container("podman", A, 3),
    unit: { name: "web.service", slice: "system.slice" },
  }],
  ["podman, pod, systemd", `/machine.slice/machine-libpod_pod_${B}.slice/libpod-${A}.scope`, {
    ...container("podman", A, 3),
    pod: { uid: B, runtime: "podman" },
    unit: { name: `libpod-${A}.scope`, slice: `machine-libpod_pod_${B}.slice` },
  }],
  ["podman, pod, cgroupfs", `/libpod_parent/${B}/libpod-${A}`, {
    ...container("podman", A, 3),
    pod: { uid: B, runtime: "podman" },
  }],
  ["LXC, payload", "/lxc.payload.web", machine("lxc", "web", 1)],
  [
    "LXC, payload directory",
    "/lxc.payload/web/system.slice/nginx.service",
    machine("lxc", "web", 2),
  ],
  ["LXC, older", "/lxc/101/ns/init.scope", machine("lxc", "101", 2)],
  ["LXC, monitor", "/lxc.monitor.web", HOST],
  ["LXC, monitor directory", "/lxc.monitor/web", HOST],
  ["nspawn, registered", "/machine.slice/machine-build\\x2dbox.scope/payload/init.scope", {
    ...machine("nspawn", "build-box", 2),
    unit: { name: "machine-build\\x2dbox.scope", slice: "machine.slice" },
  }],
  ["nspawn, service", "/machine.slice/systemd-nspawn@my\\x2dbox.service/payload", {
    ...machine("nspawn", "my-box", 2),
    unit: {
      name: "systemd-nspawn@my\\x2dbox.service",
      template: "systemd-nspawn@.service",
      instance: "my-box",
      slice: "machine.slice",
    },
  }],
  ["libvirt, LXC", "/machine.slice/machine-lxc\\x2d4711\\x2dweb.scope", {
    ...machine("libvirt-lxc", "web", 2),
    unit: { name: "machine-lxc\\x2d4711\\x2dweb.scope", slice: "machine.slice" },
  }],
  ["libvirt, QEMU", "/machine.slice/machine-qemu\\x2d1\\x2ddb\\x2d1.scope/libvirt/emulator", {
    ...machine("qemu", "db-1", 2),
    unit: { name: "machine-qemu\\x2d1\\x2ddb\\x2d1.scope", slice: "machine.slice" },
  }],
  ["Garden", `/system.slice/garden.service/garden/${UID.slice(0, 23)}-1a2b`, {
    ...container("garden", `${UID.slice(0, 23)}-1a2b`, 4),
    unit: { name: "garden.service", slice: "system.slice" },
  }],
  ["ECS", `/ecs/${UID}/${A}`, container("docker", A, 3)],
  ["ECS, cluster", `/ecs/prod/${STATIC_UID}/${A}`, container("docker", A, 4)],
  [
    "ECS, Fargate",
    `/ecs/${STATIC_UID}/${STATIC_UID}-1234567890`,
    container("containerd", `${STATIC_UID}-1234567890`, 3),
  ],
  ["ECS, systemd", `/ecstasks.slice/ecstasks-${STATIC_UID}.slice/docker-${A}.scope`, {
    ...container("docker", A, 3),
    unit: { name: `docker-${A}.scope`, slice: `ecstasks-${STATIC_UID}.slice` },
  }],
  ["Mesos", `/mesos/${UID}`, container("mesos", UID, 2)],
  ...["nomad.slice/share.slice", "nomad.slice/reserve.slice", "nomad.slice"].map((folder) =>
    nomad(`/${folder}/${UID}.my-task.scope`, { unit: { name: `${UID}.my-task.scope` } })
  ),
  nomad(`/nomad/share/${UID}.my-task`),
  nomad(`/nomad/${UID}.my-task`),
  ["Nomad's Docker driver", `/nomad.slice/share.slice/docker-${A}.scope`, {
    ...container("docker", A, 3),
    unit: { name: `docker-${A}.scope`, slice: "share.slice" },
  }],
  ...[
    [`/kubepods/burstable/pod${UID}/kata_${A}`, 4] as const,
    [`/${BURSTABLE}:kata:${A}`, 1] as const,
  ]
    .map(([path, level]) => kata(path, level, kubernetes(UID, "burstable"))),
  kata(`/vc/kata_${A}`, 2),
  ["Kata, overhead of the sandbox", `/kata_overhead/${A}`, HOST],
  ["unknown runtime, scope", `/system.slice/newthing-${A}.scope`, {
    ...container("unknown", A, 2),
    unit: { name: `newthing-${A}.scope`, slice: "system.slice" },
  }],
  ["unknown runtime, its monitor", `/newthing-conmon-${A}`, HOST],
  [
    "Docker in a pod",
    `/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${A}.scope/docker/${B}`,
    {
      ...container("containerd", A, 3, kubernetes(UID, "guaranteed")),
      unit: { name: `cri-containerd-${A}.scope`, slice: `kubepods-pod${UID_}.slice` },
      inner: { runtime: "docker", id: B },
    },
  ],
  [
    "a node of kind",
    `/docker/${A}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice` +
    `/cri-containerd-${B}.scope`,
    {
      ...container("docker", A, 2),
      inner: { runtime: "containerd", id: B, podUid: UID },
    },
  ],
  ["system service", "/system.slice/nginx.service", {
    ...unit("service", "/system.slice/nginx.service"),
    unit: { name: "nginx.service", slice: "system.slice" },
  }],
  ["delegated service", "/system.slice/nginx.service/workers/init.scope", {
    ...unit("service", "/system.slice/nginx.service"),
    unit: { name: "nginx.service", slice: "system.slice" },
  }],
  ["template instance", "/system.slice/system-getty.slice/getty@tty1.service", {
    ...unit("service", "/system.slice/system-getty.slice/getty@tty1.service"),
    unit: {
      name: "getty@tty1.service",
      template: "getty@.service",
      instance: "tty1",
      slice: "system-getty.slice",
    },
  }],
  ["escapes", "/system.slice/system-foo\\x2dbar.slice/foo-bar@a\\x2db\\x20c.service", {
    ...unit("service", "/system.slice/system-foo\\x2dbar.slice/foo-bar@a\\x2db\\x20c.service"),
    unit: {
      name: "foo-bar@a\\x2db\\x20c.service",
      template: "foo-bar@.service",
      instance: "a-b c",
      slice: "system-foo\\x2dbar.slice",
    },
  }],
  ["name that systemd had to mark", "/system.slice/_cpu.service", {
    kind: "service",
    name: "cpu.service",
    id: "/system.slice/_cpu.service",
    level: 2,
    unit: { name: "cpu.service", slice: "system.slice" },
  }],
  ["mount", "/system.slice/dev-hugepages.mount", {
    ...unit("unit", "/system.slice/dev-hugepages.mount"),
    unit: { name: "dev-hugepages.mount", slice: "system.slice" },
  }],
  ["init", "/init.scope", { ...unit("scope", "/init.scope"), unit: { name: "init.scope" } }],
  ["slice", "/system.slice", { ...unit("slice", "/system.slice"), unit: { name: "system.slice" } }],
  ["session", "/user.slice/user-1000.slice/session-3.scope", {
    kind: "session",
    name: "3",
    id: "3",
    level: 3,
    unit: { name: "session-3.scope", slice: "user-1000.slice" },
    userUid: 1000,
  }],
  ["session of a greeter", "/user.slice/user-118.slice/session-c1.scope", {
    kind: "session",
    name: "c1",
    id: "c1",
    level: 3,
    unit: { name: "session-c1.scope", slice: "user-118.slice" },
    userUid: 118,
  }],
  ["user's manager", `/${USER}/init.scope`, {
    ...unit("scope", `/${USER}/init.scope`),
    unit: { name: "init.scope", slice: "user-1000.slice", userUid: 1000 },
    userUid: 1000,
  }],
  ["user's manager itself", `/${USER}`, {
    ...unit("service", `/${USER}`),
    unit: {
      name: "user@1000.service",
      template: "user@.service",
      instance: "1000",
      slice: "user-1000.slice",
    },
    userUid: 1000,
  }],
  ["user's app", `/${USER}/app.slice/app-gnome-firefox-4711.scope`, {
    ...unit("scope", `/${USER}/app.slice/app-gnome-firefox-4711.scope`),
    unit: { name: "app-gnome-firefox-4711.scope", slice: "app.slice", userUid: 1000 },
    userUid: 1000,
  }],
  ["user's service", `/${USER}/app.slice/pipewire.service`, {
    ...unit("service", `/${USER}/app.slice/pipewire.service`),
    unit: { name: "pipewire.service", slice: "app.slice", userUid: 1000 },
    userUid: 1000,
  }],
  ["root", "/", HOST],
  ["removed", `/docker/${A} (deleted)`, container("docker", A, 2)],
  ["hidden parents", `/../../docker/${A}`, container("docker", A, 2)],
  ["upper-case digits are no id", `/docker/${A.toUpperCase()}`, HOST],
  ["short id is none", `/docker/${A.slice(0, 31)}`, HOST],
];

function machine(runtime: string, name: string, level: number): Expected {
  return { kind: "machine", name, id: name, level, container: { runtime, id: name } };
}
