import assert from "node:assert/strict";
import type { Workload } from "../events/mod.ts";
import { encodeWorkloads, formatWorkloadTable } from "./workload_list.ts";

const ID = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

const IN_POD: Workload = {
  kind: "container",
  name: "shop/db/web",
  id: ID,
  container: { runtime: "containerd", id: ID, image: { name: "nginx:1" } },
  pod: { uid: "u-1", namespace: "shop", name: "db", containerName: "web" },
  source: "runtime",
};
const SERVICE: Workload = {
  kind: "service",
  name: "ssh.service",
  id: "/system.slice/ssh.service",
  unit: { name: "ssh.service", slice: "system.slice" },
  source: "path",
};
const SESSION: Workload = {
  kind: "session",
  name: "4",
  id: "4",
  unit: { name: "session-4.scope", slice: "user-0.slice" },
  source: "path",
};
const UNNAMED: Workload = {
  kind: "container",
  name: ID.slice(0, 12),
  id: ID,
  container: { runtime: "docker", id: ID },
  source: "path",
  reason: "no_runtime",
};
const HOST: Workload = { kind: "host", name: "host", id: "host", source: "path" };

function listed(workload: Workload, processCount = 1, cgroupIds = [1n]) {
  return { workload, processCount, cgroupIds };
}

Deno.test("formatWorkloadTable() has a row each, with how it is known", () => {
  const workloads = [
    listed(IN_POD, 2, [4n, 5n]),
    listed(UNNAMED),
    listed(HOST, 130),
    listed(SERVICE),
    listed(SESSION),
  ];
  assert.deepEqual(formatWorkloadTable(workloads, { color: false }).trimEnd().split("\n"), [
    "KIND      NAME         ID           IMAGE   POD/UNIT        PROCS CGROUPS SOURCE",
    "container shop/db/web  a1b2c3d4e5f6 nginx:1 shop/db             2       2 runtime",
    "container a1b2c3d4e5f6 a1b2c3d4e5f6 -       -                   1       1 path (no_runtime)",
    "host      host         -            -       -                 130       1 path",
    "service   ssh.service  -            -       -                   1       1 path",
    "session   4            -            -       session-4.scope     1       1 path",
  ]);
});

Deno.test("formatWorkloadTable() lets no control character of a runtime's answer through", () => {
  const bad = "x\x1b]0;y\x07\r\n\u202e";
  const hostile: Workload = {
    ...IN_POD,
    name: bad,
    container: { runtime: bad, id: ID, image: { name: bad } },
    pod: { uid: bad, name: bad },
  };
  const text = formatWorkloadTable([listed(hostile)], { color: false });
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.equal(text.trimEnd().split("\n").length, 2);
});

Deno.test("formatWorkloadTable() keeps its columns in line with wide and long names", () => {
  const workloads = [
    listed({ ...UNNAMED, name: "網站" }),
    listed({ ...UNNAMED, name: "n".repeat(300) }),
  ];
  const rows = formatWorkloadTable(workloads, { color: false, columns: 200 }).split("\n");
  assert.match(rows[1]!, /^container 網站 {45}a1b2c3d4e5f6 /);
  assert.match(rows[2]!, /^container n{47}… a1b2c3d4e5f6 /);
});

Deno.test("encodeWorkloads() writes an object per line with ids as text", () => {
  const [line, none] = encodeWorkloads([listed(SERVICE, 3, [1n << 60n])]).split("\n");
  assert.equal(none, "");
  assert.deepEqual(JSON.parse(line!), {
    workload: {
      kind: "service",
      name: "ssh.service",
      id: "/system.slice/ssh.service",
      unit: { name: "ssh.service", slice: "system.slice" },
      source: "path",
    },
    processes: 3,
    cgroups: ["1152921504606846976"],
  });
});
