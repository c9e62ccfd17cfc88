/**
 * Compiles every sensor's BPF program into `.out/bpf/` and lists the objects in `manifest.json`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { readElf } from "./elf_symbols.ts";
import { generateTypes } from "./generate_types.ts";
import { runTool, toolIdentity } from "./run_tool.ts";
import { hostPlatform, type Workspace, writeFileAtomically } from "./workspace.ts";

/** Where a `const volatile` variable stands in the object, bytes. */
export interface GlobalPlace {
  readonly section: string;
  readonly offset: number;
  readonly size: number;
}

/** One object in the manifest. */
export interface ManifestObject {
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
  readonly globals: Readonly<Record<string, GlobalPlace>>;
}

/** `.out/bpf/manifest.json`: what the loader may expect of the objects beside it. */
export interface BpfManifest {
  /** Digest of the wire layouts the objects were compiled with. */
  readonly layoutHash: string;
  /** Sensor to object. */
  readonly objects: Readonly<Record<string, ManifestObject>>;
}

/*
 * v3 has 32-bit jumps and arithmetic (kernel 5.1), and is below every kernel we run on (5.10).
 * Later levels are not: v4 needs 6.6.
 */
const CPU_LEVEL = "v3";

/** Sections without which libbpf cannot load the object on another kernel. */
const SECTIONS_REQUIRED = [".BTF", ".BTF.ext", "license"];

/** The step that makes the objects and their manifest. */
export async function bpfStep(workspace: Workspace): Promise<BuildStep> {
  const sensors = await findBpfSensors(workspace);
  const include = await systemInclude();
  return {
    name: "bpf",
    inputs: ["bpf", "scripts/build/compile_bpf.ts", "scripts/build/generate_types.ts"],
    key: [CPU_LEVEL, include, ...await Promise.all(["clang", "llvm-strip"].map(toolIdentity))],
    outputs: [...sensors.map((sensor) => `.out/bpf/${sensor}.bpf.o`), ".out/bpf/manifest.json"],
    run: () => compileAll(workspace, sensors, include),
  };
}

/** Folders below `bpf/` that hold a program, by name. */
async function findBpfSensors(workspace: Workspace): Promise<string[]> {
  const sensors: string[] = [];
  for await (const entry of Deno.readDir(join(workspace.root, "bpf"))) {
    if (!entry.isDirectory) continue;
    const files = Deno.readDir(join(workspace.root, "bpf", entry.name));
    for await (const file of files) {
      if (file.name === `${entry.name}.bpf.c`) sensors.push(entry.name);
    }
  }
  return sensors.sort();
}

/**
 * The folder with this machine's `asm/types.h`, which libbpf's headers include: `-target bpf` does
 * not search it, and its name differs between distributions (Debian:
 * `/usr/include/x86_64-linux-gnu`).
 */
async function systemInclude(): Promise<string> {
  const triple = (await runTool("gcc", ["-print-multiarch"])).trim();
  for (const folder of [join("/usr/include", triple), "/usr/include"]) {
    const found = await Deno.stat(join(folder, "asm/types.h")).then(() => true, () => false);
    if (found) return folder;
  }
  throw new Error('Cannot compile BPF: "asm/types.h" is missing, run `sh scripts/setup`');
}

async function compileAll(
  workspace: Workspace,
  sensors: readonly string[],
  include: string,
): Promise<void> {
  const folder = join(workspace.out, "bpf");
  const work = await Deno.makeTempDir({ dir: workspace.out, prefix: "bpf.work." });
  try {
    const objects: Record<string, ManifestObject> = {};
    for (const sensor of sensors) {
      const object = await compileObject(workspace, sensor, include, work);
      objects[sensor] = describeObject(object.path, object.bytes);
      await writeFileAtomically(join(folder, `${sensor}.bpf.o`), object.bytes);
    }
    const { layoutHash } = await generateTypes(workspace.root, work);
    const manifest: BpfManifest = { layoutHash, objects };
    await writeFileAtomically(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2));
    await removeOthers(folder, new Set(sensors.map((sensor) => `${sensor}.bpf.o`)));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function compileObject(
  workspace: Workspace,
  sensor: string,
  include: string,
  work: string,
): Promise<{ readonly path: string; readonly bytes: Uint8Array }> {
  const path = join(work, `${sensor}.bpf.o`);
  await runTool("clang", [
    ..."-target bpf -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -fno-stack-protector -c"
      .split(" "),
    `-mcpu=${CPU_LEVEL}`,
    `-D__TARGET_ARCH_${hostPlatform().bpf}`,
    // Objects of the same source are the same bytes wherever the checkout stands.
    `-ffile-prefix-map=${workspace.root}/=`,
    "-Ibpf/include",
    "-idirafter",
    include,
    `bpf/${sensor}/${sensor}.bpf.c`,
    "-o",
    path,
  ], { cwd: workspace.root });
  // Takes DWARF out; BTF is not debug information to it and stays.
  await runTool("llvm-strip", ["-g", path]);
  return { path, bytes: await Deno.readFile(path) };
}

/**
 * The manifest entry of one object.
 *
 * @throws {Error} it has no BTF or no licence, without which no kernel takes it.
 */
export function describeObject(path: string, bytes: Uint8Array): ManifestObject {
  const elf = readElf(bytes);
  for (const name of SECTIONS_REQUIRED) {
    if (!elf.sections.some((section) => section.name === name)) {
      throw new Error(`Cannot use object "${basename(path)}": it has no section ${name}`);
    }
  }
  const globals: Record<string, GlobalPlace> = {};
  for (const symbol of elf.symbols) {
    // Static constants and string literals of the program stand in .rodata as well, as locals.
    if (symbol.section !== ".rodata" || !symbol.isObject || !symbol.isGlobal) continue;
    const { name, section, offset, size } = symbol;
    globals[name] = { section, offset, size };
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { file: basename(path), sha256, size: bytes.length, globals };
}

/** Removes objects of sensors that are no longer there. */
async function removeOthers(folder: string, keep: ReadonlySet<string>): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.endsWith(".bpf.o") && !keep.has(entry.name)) {
      await Deno.remove(join(folder, entry.name));
    }
  }
}
