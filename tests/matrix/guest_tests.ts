/**
 * Runs tests/kernel inside a guest: the same files, the same Deno, the same objects as on this
 * machine, at the same paths.
 *
 * @module
 */
import { join } from "node:path";
import { openWorkspace, pinnedDeno } from "../../scripts/build/workspace.ts";
import type { KernelImage } from "../../scripts/fetch_kernels.ts";
import { bootGuest } from "./boot_kernel.ts";
import { addBusybox, GuestTree } from "./guest_tree.ts";
import { readJunit, type TestOutcome } from "../../scripts/read_junit.ts";

/** What a guest said about the kernel tests. */
export interface GuestTestRun {
  readonly kernel: string;
  readonly release: string;
  readonly outcomes: readonly TestOutcome[];
  readonly exitCode: number;
  readonly output: string;
  readonly elapsedMs: number;
}

/** Folders of the checkout that kernel tests read. */
const SOURCES = ["src", "ffi", "bpf", "scripts", "tests/kernel", "tests/support", "tests/fixtures"];

/** Parts of .out that are big and of no use in a guest. */
const OUT_SKIPPED = new Set(["kernels", "guests", "rootfs", "stamps", "coverage"]);

/** Modules of kernels.json that kernel tests use, and what puts them into the kernel. */
const MODULES = ["veth"];
const MODULES_PATH = "/guest/modules";
const LOAD_MODULES = MODULES.map((name) => `insmod ${MODULES_PATH}/${name}.ko`).join("\n");

const JUNIT_PATH = "/run/junit.xml";

/** Variables that mean to a kernel test in a guest what they mean here. */
const PASSED_ON = ["SHRIKE_SEED", "SHRIKE_ALL_SYSCALLS", "SHRIKE_FUNCTIONS"];

/**
 * Imports all test files, so that one process runs them: what they share is loaded once, and an
 * emulated CPU does not compile the agent's modules for each file anew.
 */
const ENTRY = "tests/all_kernel_test.ts";
const KERNEL_TESTS = "tests/kernel";

/** Emulation is 5 to 10 times slower than the machine, and two guests share it. */
const TEST_TIMEOUT_MS = Deno.env.get("SHRIKE_MATRIX") === "whole" ? 2_400_000 : 900_000;

/**
 * Boots `kernel` and runs the kernel tests in it. A failed test is an outcome, not an error. The
 * programs of tests/support must have been built: a guest has no compiler.
 */
export async function runKernelTests(
  kernel: KernelImage,
  tests: readonly string[] = kernelTestFiles(),
): Promise<GuestTestRun> {
  const { root } = openWorkspace();
  const deno = [
    ...["deno", "test", "--allow-all", "--no-check", "--cached-only", "--quiet"],
    ...[`--junit-path=${JUNIT_PATH}`, ENTRY],
  ];
  const tree = await checkoutTree(kernel);
  tree.addText(join(root, ENTRY), tests.map((path) => `import "${join(root, path)}";\n`).join(""));
  const result = await bootGuest({
    kernel,
    tree,
    // Nobody else uses a guest: a test may take a CPU offline, or use net_cls.
    command: `${LOAD_MODULES}\ncd '${root}' && ` +
      `SHRIKE_TEST_OFFLINE=1 SHRIKE_TEST_NET_CLS=1 DENO_DIR=/run/deno DENO_NO_UPDATE_CHECK=1 ` +
      [...passedOn(), ...deno].join(" "),
    outputs: [JUNIT_PATH],
    timeoutMs: TEST_TIMEOUT_MS,
  });
  const junit = result.files.get(JUNIT_PATH);
  return {
    kernel: kernel.name,
    release: kernel.release,
    outcomes: junit === undefined ? [] : readJunit(new TextDecoder().decode(junit)),
    exitCode: result.exitCode,
    output: result.output,
    elapsedMs: result.elapsedMs,
  };
}

/** Paths of all kernel tests in the checkout. */
export function kernelTestFiles(): string[] {
  return [...Deno.readDirSync(join(openWorkspace().root, KERNEL_TESTS))]
    .filter(({ name }) => name.endsWith("_test.ts"))
    .map(({ name }) => `${KERNEL_TESTS}/${name}`).sort();
}

function passedOn(): string[] {
  return PASSED_ON.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`${name}='${value}'`];
  });
}

/** A guest's files: busybox, Deno, and the part of the checkout that kernel tests need. */
async function checkoutTree({ modulesPath }: KernelImage): Promise<GuestTree> {
  const workspace = openWorkspace();
  const { root, out } = workspace;
  const tree = new GuestTree();
  await addBusybox(tree);
  await tree.addProgram("/bin/deno", pinnedDeno(workspace));
  for (const name of MODULES) {
    tree.addFile(`${MODULES_PATH}/${name}.ko`, join(modulesPath, `${name}.ko`));
  }
  // The place where tests look for it, without a second copy of 95 MB.
  tree.addLink(pinnedDeno(workspace), "/bin/deno");
  tree.addText("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
  tree.addText("/etc/group", "root:x:0:\nnogroup:x:65534:\n");
  for (const name of ["deno.json", "package.json"]) {
    tree.addFile(join(root, name), join(root, name));
  }
  for (const name of SOURCES) {
    const present = await Deno.stat(join(root, name)).catch(() => null);
    if (present !== null) tree.addTree(join(root, name), join(root, name));
  }
  tree.addTree(out, out, (path) => OUT_SKIPPED.has(path));
  const { dependencies } = JSON.parse(await Deno.readTextFile(join(root, "package.json")));
  for (const name of Object.keys(dependencies)) {
    const path = join(root, "node_modules", name);
    tree.addTree(path, path);
  }
  return tree;
}
