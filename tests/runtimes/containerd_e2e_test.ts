/** What the executable says about pods over CRI and containers of ctr. */
import { deepStrictEqual, equal, match, ok } from "node:assert/strict";
import { CONTAINERD, CriRuntime, CTR } from "./cri_runtime.ts";
import { removeCgroups, stateFolder } from "./private_runtime.ts";
import { runtimeTest } from "./runtime_test_case.ts";
import { WatchedAgent } from "./watched_agent.ts";

const PROGRAMS = [CONTAINERD, CTR, "/usr/sbin/runc"];
const IMAGE = "test.local/app:1";
const UID = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";

runtimeTest({
  name: "shrike run names pods and their containers over CRI, also after a restart",
  programs: PROGRAMS,
  async run() {
    const root = `/shrike-pods-${Deno.pid}`;
    await using folder = await stateFolder("cri");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await runtime.importImage("k8s.io", IMAGE);
      await using agent = await WatchedAgent.start(runtime.sockets);
      const pod = await runtime.runPod({
        namespace: "shop",
        name: "cart-0",
        uid: UID,
        cgroupParent: `${root}/kubepods/burstable/pod${UID}`,
        labels: { app: "cart" },
      });
      const sandbox = await agent.named(await agent.firstExec(pod.sandboxId));
      deepStrictEqual([sandbox.workload.kind, sandbox.workload.name], ["pod", "shop/cart-0"]);

      const labels = { "io.kubernetes.container.name": "api" };
      const id = await runtime.runContainer(pod, { name: "api", image: IMAGE, labels });
      const first = await agent.firstExec(id);
      deepStrictEqual([first.workload.kind, first.workload.id], ["container", id]);
      equal(first.pod?.uid, UID, "the path has it");
      const told = await agent.named(first);
      deepStrictEqual([told.workload.name, told.docker], ["shop/cart-0/api", id.slice(0, 31)]);
      const { container, pod: ownPod } = told.workload;
      deepStrictEqual([container?.runtime, container?.image?.name], ["containerd", IMAGE]);
      match(container?.image?.id ?? "", /^sha256:[0-9a-f]{64}$/);
      deepStrictEqual(ownPod, {
        uid: UID,
        namespace: "shop",
        name: "cart-0",
        qos_class: "burstable",
        sandbox_id: pod.sandboxId,
        container_name: "api",
      });
      const { container: ofPod, pod_labels, namespace, name, uid } = told.pod ?? {};
      deepStrictEqual([namespace, name, uid], ["shop", "cart-0", UID]);
      deepStrictEqual([ofPod?.id, ofPod?.name], [`containerd://${id}`, "api"]);
      equal(pod_labels?.["app"], "cart");

      await runtime.restart();
      const later = await runtime.runContainer(pod, { name: "worker", image: IMAGE });
      const worker = await agent.named(await agent.firstExec(later));
      equal(worker.workload.name, "shop/cart-0/worker");
      await runtime.ctr("k8s.io", "tasks", "exec", "--exec-id=e1", id, "true", "afterwards");
      equal((await agent.execIn(id, "afterwards")).workload.name, "shop/cart-0/api");
      const judgement = agent.judge([pod.sandboxId, id, later]);
      equal(judgement.first.size, 3);
      ok(judgement.visits > 0, "runc's set-up was seen in the containers' cgroups");
    } finally {
      await removeCgroups(root);
    }
  },
});

runtimeTest({
  name: "shrike run names containers of ctr, also in a namespace that is new",
  programs: PROGRAMS,
  async run() {
    const namespace = `shrike-${Deno.pid}`;
    await using folder = await stateFolder("ctr");
    try {
      await using runtime = await CriRuntime.start(folder.path);
      await using agent = await WatchedAgent.start(runtime.sockets);
      await runtime.importImage(namespace, IMAGE);
      await using job = await runtime.startTask(namespace, IMAGE, "job-1", {
        flags: ["--label=team=blue"],
      });
      const first = await agent.firstExec("job-1");
      const { workload, docker } = await agent.named(first);
      deepStrictEqual([workload.kind, workload.name, docker], ["container", "job-1", "job-1"]);
      const { container } = workload;
      deepStrictEqual([container?.runtime, container?.image?.name], ["containerd", IMAGE]);
      equal(container?.labels?.["team"], "blue");

      await runtime.ctr(namespace, "tasks", "exec", "--exec-id=e1", job.id, "true", "during");
      const during = await agent.execIn(job.id, "during");
      deepStrictEqual([during.workload.name, during.workload.source], ["job-1", "runtime"]);
    } finally {
      await removeCgroups(`/${namespace}`);
    }
  },
});
