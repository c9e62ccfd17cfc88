import assert from "node:assert/strict";
import { fetchKernel, KernelFetchError, listKernels } from "./fetch_kernels.ts";
import { sourceLines } from "./private_apt.ts";

Deno.test("listKernels() names the kernels of the matrix, oldest first", async () => {
  const names = (await listKernels()).map((kernel) => kernel.name);
  assert.deepEqual(names, ["5.10", "6.1", "6.12", "7.2"]);
});

Deno.test("fetchKernel() tells which kernels there are when the name is another", async () => {
  await assert.rejects(fetchKernel("4.4"), (error) => {
    assert(error instanceof KernelFetchError);
    assert.match(error.message, /^Cannot fetch kernel "4.4": /);
    assert.equal(error.hint, "one of 5.10, 6.1, 6.12, 7.2");
    return true;
  });
});

Deno.test("sourceLines() adds security updates where a suite and the machine have them", () => {
  const archives = { main: "m:/debian/", security: "s:/security/" };
  const words = (lines: string[]) => lines.map((line) => line.split(" ").slice(2).join(" "));
  assert.deepEqual(words(sourceLines(archives, "bookworm")), [
    "m:/debian/ bookworm main",
    "s:/security/ bookworm-security main",
  ]);
  assert.deepEqual(words(sourceLines(archives, "sid")), ["m:/debian/ sid main"]);
  assert.deepEqual(words(sourceLines({ main: "m:/debian/" }, "bookworm")), [
    "m:/debian/ bookworm main",
  ]);
});
