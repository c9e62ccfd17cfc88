/**
 * The executable in the ways in which hosts use cgroups: v1 with and without the memory controller,
 * hybrid, v2, and the agent in a cgroup namespace or a container. Each kernel is booted twice and
 * goes through those that it has; see cgroup_mode_guest.ts. SHRIKE_KERNELS as for matrix_test.ts.
 */
import assert from "node:assert/strict";
import { fetchKernel } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "../matrix/boot_kernel.ts";
import { checkMode, skippedModes } from "../matrix/cgroup_mode_checks.ts";
import { modesGuest, type ModesTrial } from "../matrix/cgroup_mode_guest.ts";
import { IS_WHOLE, waysOfTurn } from "../matrix/turn.ts";

/** Most of it are starts of the program: an emulated CPU takes 3 to 10 s for each. */
const GUEST_TIMEOUT_MS = 600_000;

/**
 * Every kernel goes through v1 and v2, and one of them through everything. Debian builds 6.12 and
 * later without the v1 memory controller.
 */
const TRIALS: Readonly<Record<string, readonly ModesTrial[]>> = {
  "5.10": [
    { modes: ["legacy_pids", "legacy", "hybrid"], examined: [] },
    { modes: ["unified"], examined: [] },
  ],
  "6.1": [
    { modes: ["legacy_pids", "legacy", "hybrid", "hybrid_v1"], examined: ["hybrid_v1"] },
    {
      modes: ["unified", "namespace", "container", "bare_container"],
      examined: ["container", "bare_container"],
    },
  ],
  "6.12": [
    { modes: ["legacy_pids", "legacy", "hybrid"], examined: [] },
    { modes: ["unified"], examined: [] },
  ],
  "7.2": [
    { modes: ["legacy_pids", "legacy", "hybrid"], examined: [] },
    { modes: ["unified"], examined: [] },
  ],
};

/** In turns: v1 on the oldest kernel, v2 on another. */
const STAGE_TRIALS = waysOfTurn<[string, readonly ModesTrial[]]>([
  ["5.10", TRIALS["5.10"]!.slice(0, 1)],
  ["6.1", TRIALS["6.1"]!.slice(1)],
]);

const wanted = Deno.env.get("SHRIKE_KERNELS")?.split(",").filter((name) => name !== "") ?? [];

for (const [name, trials] of IS_WHOLE ? Object.entries(TRIALS) : STAGE_TRIALS) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  Deno.test(`shrike knows all workloads in each cgroup mode of kernel ${name}`, async (context) => {
    for (const trial of trials) await tryModes(name, trial, context);
  });
}

async function tryModes(
  kernel: string,
  trial: ModesTrial,
  context: Deno.TestContext,
): Promise<void> {
  const guest = await bootGuest({
    ...await modesGuest(trial),
    ...{ kernel: await fetchKernel(kernel), cpus: 1, timeoutMs: GUEST_TIMEOUT_MS },
  });
  assert.equal(guest.exitCode, 0, guest.output);
  const skipped = skippedModes(guest);
  for (const mode of trial.modes) {
    const reason = skipped.get(mode);
    const step = `${mode} mode`;
    if (reason !== undefined) console.error(`skip: ${context.name} > ${step}: ${reason}`);
    await context.step({
      name: step,
      ignore: reason !== undefined,
      fn: () => checkMode(guest, mode, trial.examined.includes(mode)),
    });
  }
}
