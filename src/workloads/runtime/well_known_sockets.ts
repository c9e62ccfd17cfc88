/**
 * Where runtimes listen.
 *
 * @module
 */
import type { RuntimeApi } from "./runtime_client.ts";

/** A socket to try. */
export interface SocketPlace {
  readonly api: RuntimeApi;
  readonly path: string;
  /** User whose runtime it is; missing for the system's. */
  readonly userUid?: number;
}

/** containerd answers both its own API and the CRI on one socket. */
const CONTAINERD_SOCKETS = [
  "/run/containerd/containerd.sock",
  // k3s and RKE2, k0s, MicroK8s bring their own containerd.
  "/run/k3s/containerd/containerd.sock",
  "/run/k0s/containerd.sock",
  "/var/snap/microk8s/common/run/containerd.sock",
];

/** Sockets of the system's runtimes. */
export const SYSTEM_SOCKETS: readonly SocketPlace[] = [
  ...CONTAINERD_SOCKETS.flatMap((path): SocketPlace[] => [
    { api: "cri", path },
    { api: "containerd", path },
  ]),
  { api: "cri", path: "/run/crio/crio.sock" },
  { api: "cri", path: "/run/cri-dockerd.sock" },
  { api: "docker", path: "/run/docker.sock" },
  { api: "docker", path: "/var/snap/docker/common/run/docker.sock" },
  { api: "podman", path: "/run/podman/podman.sock" },
  { api: "systemd", path: "/run/dbus/system_bus_socket" },
];

/** Folder with one folder per logged-in user, named by uid. */
export const USER_RUNTIME_FOLDER = "/run/user";

/** Sockets of rootless runtimes below a user's folder. */
export const USER_SOCKETS: readonly { readonly api: RuntimeApi; readonly path: string }[] = [
  { api: "docker", path: "docker.sock" },
  { api: "podman", path: "podman/podman.sock" },
];
