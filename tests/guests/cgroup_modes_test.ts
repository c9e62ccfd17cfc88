/** What shrike cgroups, workloads and doctor say on hosts of each cgroup mode. */
import assert from "node:assert/strict";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { addBusybox, GuestTree } from "../matrix/guest_tree.ts";
import { waysOfTurn } from "../matrix/turn.ts";
import { addShrike } from "../e2e/guest_shrike.ts";

const KERNEL = "6.1";
/** Each mode has three starts, which take an emulated CPU 10 s and more each. */
const GUEST_TIMEOUT_MS = 600_000;
const ID = "0123456789abcdef".repeat(4);

/** Each mode with its mounts; the first mount is the one whose cgroups name workloads. */
const MODES = {
  unified: ["cgroup2 none ."],
  legacy: ["cgroup memory memory", "cgroup pids pids"],
  legacy_without_memory: ["cgroup pids pids"],
  hybrid: ["cgroup memory memory", "cgroup2 none unified", "cgroup none,name=systemd systemd"],
} as const;

/** Mounts of `mode`, a container there with one process, what the executable says, all away. */
function scriptOf(mode: keyof typeof MODES): string {
  const root = "/sys/fs/cgroup";
  const mounts = MODES[mode].map((mount) => mount.split(" ") as [string, string, string]);
  const [, , first] = mounts[0]!;
  const container = `${root}/${first}/docker/${ID}`;
  const tmpfs = mode === "unified" ? [] : [`mount -t tmpfs none ${root}`];
  return [
    ...tmpfs,
    ...mounts.flatMap(([type, options, place]) => [
      `mkdir -p ${root}/${place}`,
      `mount -t ${type} ${type === "cgroup" ? `-o ${options} ` : ""}none ${root}/${place}`,
    ]),
    `mkdir -p ${container}/init.scope`,
    `/bin/sleep 1000 & pid=$!`,
    `echo $pid >${container}/cgroup.procs`,
    `shrike cgroups -o json >/guest/${mode}.cgroups`,
    `shrike workloads -o json >/guest/${mode}.workloads`,
    `shrike doctor -o json >/guest/${mode}.doctor`,
    "kill $pid; wait $pid",
    `until rmdir ${container}/init.scope ${container} ${root}/${first}/docker; do sleep 0.1; done`,
    ...mounts.toReversed().map(([, , place]) => `umount ${root}/${place}`),
    ...tmpfs.map(() => `umount ${root}`),
  ].join("\n");
}

interface CgroupRow {
  readonly id: string;
  readonly hierarchy: number;
  readonly path: string;
  readonly state: string;
  readonly processes: number;
  readonly tracking_id: string;
  readonly workload: { readonly kind: string; readonly id: string; readonly reason?: string };
}

Deno.test("shrike cgroups and workloads see a container in each cgroup mode", async (context) => {
  const modes = waysOfTurn(Object.keys(MODES) as (keyof typeof MODES)[]);
  const tree = new GuestTree();
  await addBusybox(tree);
  await addShrike(tree, "/bin/shrike");
  const result = await bootGuest({
    kernel: await fetchKernel(KERNEL),
    tree,
    command: modes.map(scriptOf).join("\n"),
    outputs: modes.flatMap((mode) =>
      ["cgroups", "workloads", "doctor"].map((command) => `/guest/${mode}.${command}`)
    ),
    cpus: 1,
    timeoutMs: GUEST_TIMEOUT_MS,
  });
  assert.equal(result.exitCode, 0, result.output);
  const read = (file: string) => new TextDecoder().decode(result.files.get(`/guest/${file}`));
  const lines = (file: string) => read(file).trimEnd().split("\n").map((line) => JSON.parse(line));
  for (const mode of modes) {
    await context.step(mode, () => {
      const rows: CgroupRow[] = lines(`${mode}.cgroups`);
      const container = rows.find(({ path }) => path === `/docker/${ID}`);
      assert.ok(container !== undefined, JSON.stringify(rows));
      assert.equal(container.hierarchy === 0, mode === "unified");
      assert.deepEqual(
        [container.state, container.processes, container.tracking_id],
        ["running", 1, container.id],
      );
      const { kind, id, reason } = container.workload;
      assert.deepEqual([kind, id, reason], ["container", ID, "no_runtime"]);
      const below = rows.find(({ path }) => path === `/docker/${ID}/init.scope`);
      assert.deepEqual([below?.state, below?.tracking_id], ["empty", container.id]);

      const row = lines(`${mode}.workloads`).find(({ workload }) => workload.id === ID);
      assert.deepEqual([row.processes, row.cgroups.length], [1, 2]);

      const { cgroups } = JSON.parse(read(`${mode}.doctor`));
      assert.equal(cgroups.mode, mode === "legacy_without_memory" ? "legacy" : mode);
      assert.equal(cgroups.tracked.hierarchy, container.hierarchy);
    });
  }
});
