/**
 * A short soak, where everything is asked for (`SHRIKE_MATRIX=whole`): it takes five minutes of
 * emulation. `deno task soak` has the long one.
 */
import assert from "node:assert/strict";
import { fetchKernel, listKernels } from "../../scripts/fetch_kernels.ts";
import { IS_WHOLE } from "../matrix/turn.ts";
import { growth, soak } from "./soak_guest.ts";

const SECONDS = 45;

const name = "an agent without rest holds no more at the end than at first";

if (IS_WHOLE) {
  Deno.test(name, async () => {
    const kernels = await listKernels();
    const result = await soak(await fetchKernel(kernels.at(-1)!.name), SECONDS);
    assert(result.kills > 0 && result.scrapes > 0 && result.policyChanges > 1, result.output);
    assert.deepEqual(growth(result), [], result.output);
  });
}

Deno.test("growth() names what is not flat", () => {
  const first = { rssKb: 100, descriptors: 5, programs: 6, maps: 7, links: 8 };
  assert.deepEqual(growth({ first, last: { ...first, rssKb: 119 } }), []);
  assert.deepEqual(growth({ first, last: { ...first, rssKb: 121, links: 9 } }), [
    "links: 8 at first, 9 at last",
    "memory: 100 KiB at first, 121 KiB at last",
  ]);
});
