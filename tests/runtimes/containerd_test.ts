import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { cgroupPathOf, removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedWorkloads } from "./watched_workloads.ts";

const PROGRAMS = [CONTAINERD, CTR, "/usr/sbin/runc"];
const IMAGE = "test.local/app:1";
const UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

runtimeTest({
  name: "openWorkloads() names pods and their containers over CRI, also after a restart",
  programs: PROGRAMS,
  async run() {
    const root = `/shrike-pods-${Deno.pid}`;
    const cgroupParent = `${root}/kubepods/burstable/pod${UID}`;
    await using folder = await stateFolder("cri");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      using workloads = new WatchedWorkloads(runtime.sockets);
      await runtime.importImage("k8s.io", IMAGE);
      const pod = await runtime.runPod({
        namespace: "shop",
        name: "cart-0",
        uid: UID,
        cgroupParent,
        labels: { app: "cart" },
        annotations: { "example.org/owner": "blue" },
      });
      const id = await runtime.runContainer(pod, {
        name: "api",
        image: IMAGE,
        labels: { "io.kubernetes.container.name": "api" },
      });
      const pid = await runtime.pidOf(id);
      const cgroupPath = await cgroupPathOf(pid, "memory");
      equal(cgroupPath, `${cgroupParent}/${id}`);

      const workload = await workloads.resolveFully(cgroupPath);
      deepStrictEqual(
        [workload.kind, workload.name, workload.id],
        ["container", "shop/cart-0/api", id],
      );
      const { container } = workload;
      deepStrictEqual([container?.runtime, container?.id, container?.pid], ["containerd", id, pid]);
      equal(container?.image?.name, IMAGE);
      match(container?.image?.id ?? "", /^sha256:[0-9a-f]{64}$/);
      ok(container?.startTimeNs !== undefined);
      deepStrictEqual({ ...workload.pod, labels: { ...workload.pod?.labels } }, {
        uid: UID,
        namespace: "shop",
        name: "cart-0",
        qosClass: "burstable",
        sandboxId: pod.sandboxId,
        containerName: "api",
        labels: { app: "cart" },
        annotations: workload.pod?.annotations,
      });
      equal(workload.pod?.annotations?.["example.org/owner"], "blue");

      const sandboxPath = await cgroupPathOf(await runtime.pidOf(pod.sandboxId), "memory");
      const sandbox = await workloads.resolveFully(sandboxPath);
      deepStrictEqual([sandbox.kind, sandbox.name], ["pod", "shop/cart-0"]);
      const whole = await workloads.resolveFully(cgroupParent);
      deepStrictEqual([whole.kind, whole.name, whole.id], ["pod", "shop/cart-0", UID]);

      await runtime.restart();
      const later = await runtime.runContainer(pod, { name: "worker", image: IMAGE });
      const found = await workloads.resolveFully(`${cgroupParent}/${later}`);
      equal(found.name, "shop/cart-0/worker");
    } finally {
      await removeCgroups(root);
    }
  },
});

runtimeTest({
  name: "openWorkloads() names containers of ctr in any namespace of containerd",
  programs: PROGRAMS,
  async run() {
    await using folder = await stateFolder("ctr");
    const namespace = `shrike-${Deno.pid}`;
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await runtime.importImage(namespace, IMAGE);
      using workloads = new WatchedWorkloads(runtime.sockets);
      await workloads.watching("containerd");
      await using _job = await runtime.startTask(namespace, IMAGE, "job-1", {
        flags: ["--label=team=blue"],
      });
      const pid = Number((await runtime.ctr(namespace, "tasks", "ls")).match(/job-1\s+(\d+)/)?.[1]);
      const workload = await workloads.resolveFully(await cgroupPathOf(pid, "memory"));
      deepStrictEqual([workload.kind, workload.name], ["container", "job-1"]);
      const { container } = workload;
      deepStrictEqual([container?.runtime, container?.pid], ["containerd", pid]);
      equal(container?.image?.name, IMAGE);
      equal(container?.labels?.["team"], "blue");
    } finally {
      await removeCgroups(`/${namespace}`);
    }
  },
});

runtimeTest({
  name: "openWorkloads() learns of a container from containerd before its first event",
  programs: PROGRAMS,
  async run() {
    await using folder = await stateFolder("ctr");
    await using runtime = await CriRuntime.start(folder.path);
    await runtime.importImage("default", IMAGE);
    const path = runtime.socketPath;
    using workloads = new WatchedWorkloads([{ api: "containerd", path }]);
    await workloads.watching("containerd");
    await runtime.ctr("default", "containers", "create", IMAGE, "job-1");
    await workloads.announced(1);
    const workload = workloads.resolve("/default/job-1");
    deepStrictEqual([workload.source, workload.name], ["runtime", "job-1"]);
    equal(workload.container?.image?.name, IMAGE);
    await runtime.ctr("default", "containers", "delete", "job-1");
  },
});
