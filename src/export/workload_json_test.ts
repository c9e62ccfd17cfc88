import assert from "node:assert/strict";
import { referenceLine } from "../../tests/support/reference_json.ts";
import {
  SAMPLE_WORKLOAD,
  sampleAmend,
  sampleExec,
  sampleProcess,
  toReference,
} from "../../tests/support/sample_events.ts";
import {
  PENDING_POD,
  PENDING_WEB,
  POD_WEB,
  SESSION,
  SSH,
  WEB,
  WEB_ID,
} from "../../tests/support/sample_workloads.ts";
import type { Workload } from "../events/mod.ts";
import { JsonEncoder } from "./json_encoder.ts";

const OPTIONS = { nodeName: "node", enableProcessCred: false, enableProcessNs: false };
const POD_UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

/** What the process of an exec says of its workload. */
function membersOf(workload: Workload) {
  const process = sampleProcess({ workload, namespaceTgid: 7 });
  const { docker, pod, workload: own } = JSON.parse(
    new JsonEncoder(OPTIONS).encode(sampleExec(process)),
  ).process_exec.process;
  return { docker, pod, workload: own };
}

Deno.test("JsonEncoder.encode() shows a container of Docker with all that is known", () => {
  assert.deepEqual(membersOf(WEB), {
    docker: "a1b2c3d4e5f60718293a4b5c6d7e8f9",
    pod: undefined,
    workload: {
      kind: "container",
      name: "web",
      id: WEB_ID,
      container: {
        runtime: "docker",
        id: WEB_ID,
        name: "web",
        image: { id: "sha256:c0ffee", name: "nginx:1.27" },
        labels: { tier: "front" },
        start_time: "2026-01-31T23:59:50.000000000Z",
        pid: 4200,
      },
      source: "runtime",
    },
  });
});

Deno.test("JsonEncoder.encode() shows a pod in the shape of Tetragon, with the pid inside", () => {
  const { docker, pod, workload } = membersOf(POD_WEB);
  assert.equal(docker, "a1b2c3d4e5f60718293a4b5c6d7e8f9");
  assert.deepEqual(pod, {
    namespace: "prod",
    name: "web-7d9f",
    uid: POD_UID,
    pod_labels: { app: "web" },
    pod_annotations: { "example.com/owner": "a team" },
    container: {
      id: `containerd://${WEB_ID}`,
      name: "nginx",
      image: { name: "nginx:1.27" },
      start_time: "2026-01-31T23:59:50.000000000Z",
      pid: 7,
    },
  });
  assert.deepEqual(workload.pod, {
    uid: POD_UID,
    namespace: "prod",
    name: "web-7d9f",
    qos_class: "burstable",
    sandbox_id: "b".repeat(64),
    container_name: "nginx",
  });
  assert.deepEqual(workload.unit, {
    name: `cri-containerd-${WEB_ID}.scope`,
    slice: "kubepods-pod6f96.slice",
  });
});

Deno.test("JsonEncoder.encode() shows a pod without a container, and one not known yet", () => {
  const { container: _, ...alone } = { ...POD_WEB, kind: "pod" as const };
  assert.equal("container" in membersOf(alone).pod, false);
  assert.deepEqual(membersOf(PENDING_POD).pod, {
    uid: POD_UID,
    container: { id: `containerd://${WEB_ID}`, pid: 7 },
  });
});

Deno.test("JsonEncoder.encode() shows units and sessions, uid 0 too", () => {
  assert.deepEqual(membersOf(SSH), {
    docker: undefined,
    pod: undefined,
    workload: {
      kind: "service",
      name: "ssh.service",
      id: "/system.slice/ssh.service",
      unit: {
        name: "ssh.service",
        slice: "system.slice",
        description: "OpenBSD Secure Shell",
      },
      source: "runtime",
    },
  });
  assert.deepEqual(membersOf(SESSION).workload, {
    kind: "session",
    name: "3",
    id: "3",
    unit: { name: "session-3.scope", slice: "user-0.slice" },
    user_uid: 0,
    source: "path",
  });
  const getty: Workload = {
    ...SSH,
    unit: {
      name: "getty@tty1.service",
      template: "getty@.service",
      instance: "tty1",
      userUid: 1000,
    },
  };
  assert.deepEqual(membersOf(getty).workload.unit, {
    name: "getty@tty1.service",
    template: "getty@.service",
    instance: "tty1",
    user_uid: 1000,
  });
});

Deno.test("JsonEncoder.encode() says how little is known and why", () => {
  const host = { kind: "host", name: "host", id: "host", source: "kernel" };
  assert.deepEqual(membersOf(SAMPLE_WORKLOAD).workload, host);
  assert.deepEqual(membersOf(PENDING_WEB), {
    docker: "a1b2c3d4e5f60718293a4b5c6d7e8f9",
    pod: undefined,
    workload: {
      kind: "container",
      name: "a1b2c3d4e5f6",
      id: WEB_ID,
      container: { runtime: "docker", id: WEB_ID },
      source: "pending",
      reason: "lookup_running",
    },
  });
  const unknown = { kind: "host", name: "unknown", id: "unknown" } as const;
  const none = { ...unknown, source: "none", reason: "zero_cgroup_id" } as const;
  assert.deepEqual(membersOf(none).workload, none);
  const { workload } = membersOf({ ...SSH, reason: "entered_from_outside" });
  assert.deepEqual([workload.name, workload.reason], ["ssh.service", "entered_from_outside"]);
});

Deno.test("JsonEncoder.encode() shows containers inside and around", () => {
  const { workload } = membersOf({
    ...WEB,
    inner: { runtime: "docker", id: "c".repeat(64), podUid: POD_UID },
    outer: { runtime: "podman", id: "d".repeat(64) },
  });
  assert.deepEqual(workload.inner, { runtime: "docker", id: "c".repeat(64), pod_uid: POD_UID });
  assert.deepEqual(workload.outer, { runtime: "podman", id: "d".repeat(64) });
});

Deno.test("JsonEncoder.encode() gives parent and ancestors what names their workload", () => {
  const parent = toReference(sampleProcess({ tgid: 9, workload: POD_WEB }));
  const event = sampleExec(sampleProcess({ workload: WEB }), { parent, ancestors: [parent] });
  const body = JSON.parse(new JsonEncoder(OPTIONS).encode(event)).process_exec;
  const short = { kind: "container", name: "prod/web-7d9f/nginx", id: WEB_ID, source: "runtime" };
  for (const { docker, pod, workload } of [body.parent, body.ancestors[0]]) {
    assert.deepEqual(workload, short);
    assert.equal(docker, "a1b2c3d4e5f60718293a4b5c6d7e8f9");
    assert.equal(pod.container.pid, 9);
  }
  assert.equal(body.process.workload.container.pid, 4200);
});

Deno.test("JsonEncoder.encode() tells in an amendment what a process of it would say", () => {
  const event = sampleAmend(POD_WEB, {
    execId: "bm9kZTox",
    cgroup: { id: 12n, trackingId: 11n, level: 5, hierarchy: 0, path: "/a/b" },
  });
  const line = JSON.parse(new JsonEncoder(OPTIONS).encode(event));
  const { exec_id, cgroup, docker, pod, workload, ...rest } = line.amend;
  assert.equal(exec_id, "bm9kZTox");
  assert.deepEqual(cgroup, { id: "12", tracking_id: "11", path: "/a/b", level: 5 });
  const members = membersOf(POD_WEB);
  delete members.pod.container.pid;
  assert.deepEqual({ docker, pod, workload }, members);
  assert.deepEqual(rest, {});
  assert.deepEqual(line, referenceLine(event, OPTIONS));
  const nowhere = sampleAmend(POD_WEB, {
    cgroup: { id: 0n, trackingId: 7n, level: 0, hierarchy: -1, path: "/a" },
  });
  assert.equal(JSON.parse(new JsonEncoder(OPTIONS).encode(nowhere)).amend.cgroup, undefined);
});

Deno.test("JsonEncoder.encode() reads a workload once for all processes that have it", () => {
  let reads = 0;
  const watched: Workload = {
    ...WEB,
    get container() {
      reads++;
      return WEB.container!;
    },
  };
  const encoder = new JsonEncoder(OPTIONS);
  encoder.encode(sampleExec(sampleProcess({ tgid: 1, workload: watched })));
  const first = reads;
  encoder.encode(sampleExec(sampleProcess({ tgid: 2, workload: watched })));
  encoder.encode(sampleAmend(watched));
  assert.ok(first > 0);
  assert.equal(reads, first);
});
