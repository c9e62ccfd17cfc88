import assert from "node:assert/strict";
import {
  FAKE_PID,
  FakeHost,
  type FakeHostParts,
  INITIAL_NAMESPACES,
} from "../../tests/support/fake_host.ts";
import { type Deployment, detectDeployment, HostFiles } from "./mod.ts";

const ID = "0123456789abcdef".repeat(4);

function detect(
  ownPaths: readonly string[],
  parts: FakeHostParts = {},
  environment: Record<string, string> = {},
): Deployment {
  using host = new FakeHost({ ...parts, links: { ...INITIAL_NAMESPACES, ...parts.links } });
  const files = new HostFiles(host.root);
  return detectDeployment({ files, environment, ownPaths, pid: FAKE_PID });
}

Deno.test("detectDeployment() knows services, sessions and shells by path", () => {
  const cases: [string, string, string | undefined, boolean][] = [
    ["/system.slice/shrike.service", "systemd_service", "shrike.service", false],
    ["/user.slice/user-0.slice/session-3.scope", "systemd_user", "session-3.scope", false],
    [
      "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service",
      "systemd_user",
      "a.service",
      false,
    ],
    ["/init.scope", "plain", undefined, false],
    ["/", "plain", undefined, false],
    [`/docker/${ID}`, "container", undefined, true],
    [`/system.slice/docker-${ID}.scope`, "container", undefined, true],
    [`/machine.slice/libpod-${ID}.scope/container`, "container", undefined, true],
    [`/docker/${ID}/system.slice/shrike.service`, "systemd_service", "shrike.service", true],
    ["/lxc.payload.web/system.slice/shrike.service", "systemd_service", "shrike.service", true],
    [
      `/kubepods.slice/kubepods-burstable.slice/cri-containerd-${ID}.scope`,
      "kubernetes",
      undefined,
      true,
    ],
    [`/kubepods/besteffort/pod0/${ID}`, "kubernetes", undefined, true],
    [
      `/system.slice/containerd.service/kubepods-pod0.slice:cri-containerd:${ID}`,
      "kubernetes",
      undefined,
      true,
    ],
    [`/system.slice/containerd.service/x:cri-containerd:${ID}`, "container", undefined, true],
  ];
  for (const [path, kind, unit, isInContainer] of cases) {
    const found = detect(["/", path]);
    assert.deepEqual([found.kind, found.unit, found.isInContainer], [kind, unit, isInContainer]);
    assert.ok(found.evidence.length > 0, path);
  }
});

Deno.test("detectDeployment() knows containers whose path is hidden", () => {
  const outside = detect(["/"], { links: {} });
  assert.equal(outside.kind, "plain");
  using host = new FakeHost({
    links: { "/proc/4242/ns/pid": "pid:[4026532600]", "/proc/4242/ns/cgroup": "cgroup:[1]" },
  });
  const inside = detectDeployment({
    ...{ files: new HostFiles(host.root), environment: {}, ownPaths: ["/"], pid: FAKE_PID },
  });
  assert.equal(inside.kind, "container");
  assert.deepEqual(inside.evidence, ["pid namespace is not the host's"]);
  assert.deepEqual(inside.doubts, ["cgroup namespace is not the host's"]);
});

Deno.test("detectDeployment() believes pid 1 and podman's file, not docker's file alone", () => {
  const files = { "/proc/1/environ": "PATH=/\0container=lxc\0", "/.dockerenv": "" };
  const sure = detect(["/"], { files });
  assert.equal(sure.kind, "container");
  assert.deepEqual(sure.evidence, ["pid 1 has container=lxc", '"/.dockerenv" exists']);
  assert.equal(detect(["/"], { files: { "/run/.containerenv": "" } }).kind, "container");
  const doubtful = detect(["/"], { files: { "/.dockerenv": "" } });
  assert.equal(doubtful.kind, "plain");
  assert.match(doubtful.doubts[0]!, /\.dockerenv/);
});

Deno.test("detectDeployment() knows Kubernetes by environment and service account", () => {
  assert.equal(detect(["/"], {}, { KUBERNETES_SERVICE_HOST: "10.0.0.1" }).kind, "kubernetes");
  const files = { "/var/run/secrets/kubernetes.io/serviceaccount/token": "x" };
  assert.equal(detect(["/"], { files }).kind, "kubernetes");
});

Deno.test("detectDeployment() knows a service by systemd's word where the path is hidden", () => {
  const found = detect(["/"], {}, { SYSTEMD_EXEC_PID: String(FAKE_PID) });
  assert.equal(found.kind, "systemd_service");
  // A shell that the service started has inherited the variable.
  assert.equal(detect(["/"], {}, { SYSTEMD_EXEC_PID: "1" }).kind, "plain");
});
