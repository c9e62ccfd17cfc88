/**
 * Links `.out/libbpf.so`: Debian's static libbpf with libelf, zlib and (where libelf wants it) zstd
 * inside, so that the agent needs nothing on the host but libc.
 *
 * @module
 */
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { runTool, toolIdentity } from "./run_tool.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

const OUTPUT = ".out/libbpf.so";

/** Libraries the result may ask for: libc and its loader, under any architecture's name. */
const NEEDED_ALLOWED = /^(libc\.so\.6|ld-linux[-a-z0-9_]*\.so\.\d+)$/;

/** The step that makes `.out/libbpf.so`. */
export async function libbpfStep(workspace: Workspace): Promise<BuildStep> {
  const archives = await findArchives();
  return {
    name: "libbpf.so",
    inputs: [
      "scripts/build/build_libbpf.ts",
      "scripts/build/libbpf_shim.c",
      "scripts/build/libbpf.map",
    ],
    key: await Promise.all(["gcc", "objcopy", ...Object.values(archives)].map(toolIdentity)),
    outputs: [OUTPUT],
    run: () => buildLibbpf(workspace, archives),
  };
}

/** Static libraries that go into the result, by name. */
interface Archives {
  readonly bpf: string;
  readonly elf: string;
  readonly z: string;
  /** libelf since 0.189 may read zstd sections; only then it is there and needed. */
  readonly zstd?: string;
}

async function findArchives(): Promise<Archives> {
  const [bpf, elf, z, zstd] = await Promise.all(["bpf", "elf", "z", "zstd"].map(findArchive));
  for (const [name, path] of [["libbpf.a", bpf], ["libelf.a", elf], ["libz.a", z]] as const) {
    if (path === undefined) {
      throw new Error(`Cannot build libbpf.so: ${name} is missing, run \`sh scripts/setup\``);
    }
  }
  return { bpf: bpf!, elf: elf!, z: z!, ...(zstd === undefined ? {} : { zstd }) };
}

/** Asks gcc, which knows the library folders of this machine. */
async function findArchive(name: string): Promise<string | undefined> {
  const path = (await runTool("gcc", [`-print-file-name=lib${name}.a`])).trim();
  // gcc echoes the bare name when it finds nothing.
  return path.startsWith("/") ? path : undefined;
}

async function buildLibbpf(workspace: Workspace, archives: Archives): Promise<void> {
  const work = join(workspace.out, "libbpf.work");
  await Deno.remove(work, { recursive: true }).catch(() => {});
  const objects = [
    ...await unpack(archives.bpf, join(work, "bpf")),
    ...await unpack(archives.elf, join(work, "elf")),
  ];
  const build = join(workspace.root, "scripts/build");
  const shim = join(work, "shim.o");
  await runTool("gcc", [
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fPIC",
    "-c",
    join(build, "libbpf_shim.c"),
    "-o",
    shim,
  ]);
  const linked = join(work, "libbpf.so");
  await runTool("gcc", [
    ..."-shared -Wl,-Bsymbolic -Wl,-z,defs -Wl,-z,text -Wl,-z,relro -Wl,-z,now -s".split(" "),
    `-Wl,--version-script=${join(build, "libbpf.map")}`,
    "-Wl,-soname,libbpf.so",
    ...objects,
    shim,
    archives.z,
    ...(archives.zstd === undefined ? [] : [archives.zstd]),
    "-o",
    linked,
  ]);
  await checkLibrary(linked);
  await Deno.rename(linked, join(workspace.root, OUTPUT));
  await Deno.remove(work, { recursive: true });
}

/** Unpacks an archive, without the object that libbpf_shim.c replaces, and renames `stderr`. */
async function unpack(archive: string, folder: string): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  await runTool("ar", ["x", archive], { cwd: folder });
  const objects: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name === "elf_error.o") continue;
    const object = join(folder, entry.name);
    await runTool("objcopy", ["--redefine-sym", "stderr=shrike_stderr", object]);
    objects.push(object);
  }
  return objects.sort();
}

/** Refuses a library that needs more than libc, or that the loader would have to patch code of. */
async function checkLibrary(path: string): Promise<void> {
  const dynamic = await runTool("readelf", ["-dW", path]);
  const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1] ?? "");
  const foreign = needed.filter((name) => !NEEDED_ALLOWED.test(name));
  if (needed.length === 0 || foreign.length > 0) {
    throw new Error(
      `Cannot use "${path}": it needs ${needed.join(", ") || "nothing, not even libc"}`,
    );
  }
  if (dynamic.includes("(TEXTREL)")) {
    throw new Error(`Cannot use "${path}": it has text relocations`);
  }
  const symbols = await runTool("readelf", ["--dyn-syms", "-W", path]);
  if (!/ GLOBAL +DEFAULT +\d+ bpf_object__open_mem(@|$)/m.test(symbols)) {
    throw new Error(`Cannot use "${path}": it does not export bpf_object__open_mem`);
  }
}

if (import.meta.main) {
  const { runStep } = await import("./build_step.ts");
  const workspace = openWorkspace();
  await runStep(workspace, await libbpfStep(workspace));
}
