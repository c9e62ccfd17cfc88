/**
 * Runs everything that `scripts/test` runs in turns: the kernel tests, and the executable in each
 * cgroup mode, on the kernels that are named, or on all of kernels.json.
 *
 *     deno task test:matrix [NAME...]
 *
 * @module
 */
import { join } from "node:path";
import { listKernels, OVERRIDE_KERNEL } from "../../scripts/fetch_kernels.ts";

const FOLDER = import.meta.dirname!;
const TESTS = [
  "matrix_test.ts",
  "../guests/bare_guest_test.ts",
  "../guests/systemd_workloads_test.ts",
  "../guests/install_test.ts",
  "../guests/systemd_test.ts",
  "../guests/cgroup_workloads_test.ts",
  "../guests/cgroup_modes_test.ts",
];

if (import.meta.main) {
  const names = Deno.args.filter((argument) => !argument.startsWith("-"));
  const flags = Deno.args.filter((argument) => argument.startsWith("-"));
  const known = [...(await listKernels()).map((kernel) => kernel.name), OVERRIDE_KERNEL];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`Cannot boot "${unknown.join()}": kernels.json has ${known.join(", ")}`);
    Deno.exit(2);
  }
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", ...flags, ...TESTS.map((name) => join(FOLDER, name))],
    env: { SHRIKE_KERNELS: names.join(), SHRIKE_MATRIX: "whole" },
  }).spawn().status;
  Deno.exit(code);
}
