/**
 * Builds the kernel that tests of `bpf_override_return()` boot, as no kernel of Debian is built
 * with it: Debian's own source (`apt install linux-source dwarves flex bison bc libelf-dev
 * libssl-dev`) with the options of tests/matrix/override_kernel.config, into
 * `.out/kernels/override/`, where `deno task test:matrix` finds it. Not a part of CI: two CPUs need
 * half an hour, and the sources 4 GB.
 *
 *     nice deno run -A scripts/build_override_kernel.ts [WORK_DIRECTORY]
 *
 * @module
 */
import { join } from "node:path";
import { runTool } from "./build/run_tool.ts";
import { openWorkspace, writeFileAtomically } from "./build/workspace.ts";
import { OVERRIDE_KERNEL } from "./fetch_kernels.ts";

const SOURCES = "/usr/src";
const WORK = "/var/tmp/shrike-kernel";
const IMAGE = "arch/x86/boot/bzImage";

/** Name of the newest archive of sources, without its ending: "linux-source-6.1". */
async function findSource(): Promise<string> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(SOURCES)) {
    if (/^linux-source-[\d.]+\.tar\.xz$/.test(name)) names.push(name.replace(".tar.xz", ""));
  }
  const newest = names.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  if (newest !== undefined) return newest;
  throw new Error(`Cannot build a kernel: "${SOURCES}" has no linux-source-*.tar.xz (apt install)`);
}

/** Options that depend on others which are not there are dropped silently by the kernel's tools. */
async function checkOptions(tree: string, fragment: string): Promise<void> {
  const has = new Set((await Deno.readTextFile(join(tree, ".config"))).split("\n"));
  const lost = (await Deno.readTextFile(fragment)).split("\n")
    .filter((line) => /=[y"]/.test(line) && !has.has(line));
  if (lost.length > 0) throw new Error(`Cannot build a kernel: it drops ${lost.join(", ")}`);
}

if (import.meta.main) {
  const { root, out } = openWorkspace();
  const work = Deno.args[0] ?? WORK;
  const source = await findSource();
  const tree = join(work, source);
  const fragment = join(root, "tests/matrix/override_kernel.config");
  await Deno.mkdir(work, { recursive: true });
  console.error(`kernels: building ${source} in ${work}, which takes long`);
  await runTool("tar", ["-xf", join(SOURCES, `${source}.tar.xz`), "-C", work]);
  await runTool("make", ["-C", tree, "tinyconfig"]);
  const config = join(tree, ".config");
  await runTool(join(tree, "scripts/kconfig/merge_config.sh"), [
    "-m",
    "-O",
    tree,
    config,
    fragment,
  ]);
  await runTool("make", ["-C", tree, "olddefconfig"]);
  await checkOptions(tree, fragment);
  await runTool("make", ["-C", tree, `-j${navigator.hardwareConcurrency}`, "bzImage"]);
  const release = (await runTool("make", ["-s", "-C", tree, "kernelrelease"])).trim();
  const folder = join(out, "kernels", OVERRIDE_KERNEL);
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(join(tree, IMAGE), join(folder, "vmlinuz"));
  await writeFileAtomically(join(folder, "state.json"), JSON.stringify({ release }) + "\n");
  console.error(`kernels: ${OVERRIDE_KERNEL} is ${release}`);
}
