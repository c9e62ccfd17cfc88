/**
 * One test per kernel of kernels.json; each test of tests/kernel is a step of it. The environment
 * variable SHRIKE_KERNELS names the kernels, separated by commas; without it all are booted.
 */
import assert from "node:assert/strict";
import {
  fetchKernel,
  hasOverrideKernel,
  listKernels,
  OVERRIDE_KERNEL,
} from "../../scripts/fetch_kernels.ts";
import { buildCaptureLoad } from "../support/capture_load.ts";
import { buildWorkload } from "../support/workload.ts";
import { type GuestTestRun, kernelTestFiles, runKernelTests } from "./guest_tests.ts";
import { IS_WHOLE, TURN } from "./turn.ts";

/** Each guest has two CPUs; more guests at once only wait for each other. */
const GUESTS_MAX = 2;

/** What the kernel that has only little is for. */
const POLICY_TESTS = kernelTestFiles().filter((path) => path.includes("/policy_"));

/**
 * What a turn runs: on each kernel what every load needs, on the oldest and the newest what differs
 * most between kernels, and a share of the rest. In eight turns each file was on each kernel.
 */
const EVERYWHERE = kernelTests("loader");
const OLDEST_AND_NEWEST = kernelTests("network_records", "policy_hooks_enforce");
const TURNS = 8;

const wanted = Deno.env.get("SHRIKE_KERNELS")?.split(",").filter((name) => name !== "");
const known = (await listKernels()).map((kernel) => kernel.name);
const kernelCount = known.length;
if (await hasOverrideKernel()) known.push(OVERRIDE_KERNEL);
else console.log(`skip: kernel ${OVERRIDE_KERNEL}: it is not built (build_override_kernel.ts)`);
const names = wanted === undefined || wanted.length === 0 ? known : wanted;
const runs = new Map<string, Promise<GuestTestRun>>();

for (const name of names) {
  Deno.test({
    name: `kernel ${name}`,
    // Guests of the tests that follow run meanwhile.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (context) => {
      if (runs.size === 0) startRuns();
      const run = await runs.get(name);
      assert(run !== undefined);
      console.log(`${run.release}: ${run.outcomes.length} tests, ${seconds(run.elapsedMs)} s`);
      await reportOutcomes(run, context);
    },
  });
}

/** Boots all guests, two at a time, in the order of the tests. */
function startRuns(): void {
  // Once, before there are two who would build it at the same time.
  const programs = Promise.all([buildWorkload(), buildCaptureLoad()]);
  const lanes: Promise<unknown>[] = Array.from({ length: GUESTS_MAX }, () => programs);
  for (const [index, name] of names.entries()) {
    const run = lanes[index % GUESTS_MAX]!.then(() => fetchKernel(name)).then((kernel) =>
      runKernelTests(kernel, testsOf(name))
    );
    // The test that awaits it reports the error; the lane goes on to the next kernel.
    lanes[index % GUESTS_MAX] = run.catch(() => {});
    runs.set(name, run);
  }
}

/** The files that a kernel runs; undefined for all. */
function testsOf(name: string): readonly string[] | undefined {
  if (name === OVERRIDE_KERNEL) return POLICY_TESTS;
  if (IS_WHOLE) return undefined;
  const place = known.indexOf(name);
  const isAtEnd = place === 0 || place === kernelCount - 1;
  const fixed = [...EVERYWHERE, ...isAtEnd ? OLDEST_AND_NEWEST : []];
  const first = TURN + place * TURNS / kernelCount;
  const share = kernelTestFiles().filter((path, index) =>
    !fixed.includes(path) && (index - first) % TURNS === 0
  );
  return [...fixed, ...share];
}

function kernelTests(...names: string[]): string[] {
  return names.map((name) => `tests/kernel/${name}_test.ts`);
}

async function reportOutcomes(run: GuestTestRun, context: Deno.TestContext): Promise<void> {
  // Why a test was left out, in the words and the form that scripts/test.ts collects.
  for (const [, test, reason] of run.output.matchAll(/^skip: (.+?): (.+)$/gm)) {
    console.log(`skip: ${context.name} > ${test}: ${reason}`);
  }
  for (const { name, outcome, message } of run.outcomes) {
    await context.step({
      name,
      ignore: outcome === "skipped",
      fn: () => assert.equal(outcome, "passed", message),
    });
  }
  const failed = run.outcomes.some(({ outcome }) => outcome === "failed");
  // A file that cannot be imported has no test in the report, only an exit code.
  if (failed || run.exitCode !== 0) console.log(run.output);
  assert(run.outcomes.length > 0, "the guest ran no test");
  if (!failed) assert.equal(run.exitCode, 0, `deno test in the guest ended with ${run.exitCode}`);
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
