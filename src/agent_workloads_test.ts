import { deepStrictEqual } from "node:assert/strict";
import { runtimeSettings } from "./agent_workloads.ts";
import { SYSTEM_SOCKETS } from "./workloads/mod.ts";

const SETTINGS = { askRuntimes: true, runtimeSockets: [], runtimeTimeoutMs: 700 };
const BUS = SYSTEM_SOCKETS.filter(({ api }) => api === "systemd");

Deno.test("runtimeSettings() leaves the well-known sockets alone until others are named", () => {
  deepStrictEqual(runtimeSettings(SETTINGS), { timeoutMs: 700 });
});

Deno.test("runtimeSettings() asks named runtimes alone, systemd all the same", () => {
  const cri = { api: "cri", path: "/run/x.sock" } as const;
  deepStrictEqual(runtimeSettings({ ...SETTINGS, runtimeSockets: [cri] }), {
    sockets: [cri, ...BUS],
    searchUsers: false,
    timeoutMs: 700,
  });
  const bus = { api: "systemd", path: "/run/other_bus" } as const;
  deepStrictEqual(runtimeSettings({ ...SETTINGS, runtimeSockets: [cri, bus] }).sockets, [cri, bus]);
});

Deno.test("runtimeSettings() takes a socket below a user's folder for that user's", () => {
  const podman = { api: "podman", path: "/run/user/1000/podman/podman.sock" } as const;
  const { sockets = [] } = runtimeSettings({ ...SETTINGS, runtimeSockets: [podman] });
  deepStrictEqual(sockets[0], { ...podman, userUid: 1000 });
});

Deno.test("runtimeSettings() asks nobody when runtimes are off, named ones neither", () => {
  const runtimeSockets = [{ api: "cri", path: "/run/x.sock" } as const];
  deepStrictEqual(runtimeSettings({ ...SETTINGS, askRuntimes: false, runtimeSockets }), {
    sockets: [],
    searchUsers: false,
  });
});
