/**
 * Fetches the kernels that tests boot: Debian's cloud kernels, from the suites that
 * tests/matrix/kernels.json names, into `.out/kernels/<name>/`. What is there already stays.
 *
 *     deno run -A scripts/fetch_kernels.ts [--update] [NAME...]
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { lockFile } from "./build/lock_file.ts";
import { runTool } from "./build/run_tool.ts";
import { openWorkspace, writeFileAtomically } from "./build/workspace.ts";
import { machineArchives, type PackageRecord, PrivateApt, sourceLines } from "./private_apt.ts";

/** One line of kernels.json. */
export interface KernelEntry {
  /** First two numbers of the version; also the folder's name. */
  readonly name: string;
  /** Debian suite that has it. */
  readonly suite: string;
}

/** A kernel that is ready to boot. */
export interface KernelImage extends KernelEntry {
  /** As `uname -r` prints it. */
  readonly release: string;
  readonly vmlinuzPath: string;
  /** Folder with the modules of kernels.json as `<module>.ko`. */
  readonly modulesPath: string;
}

/** `.out/kernels/<name>/state.json`: what is in the folder and where it came from. */
interface KernelState {
  readonly suite: string;
  readonly modules: readonly string[];
  readonly release: string;
  readonly vmlinuzSha256: string;
  readonly packages: readonly PackageRecord[];
}

interface KernelsFile {
  readonly modules: readonly string[];
  readonly kernels: readonly KernelEntry[];
}

/** A kernel could not be fetched. */
export class KernelFetchError extends Error {
  constructor(kernel: string, state: string, readonly hint: string, options?: ErrorOptions) {
    super(`Cannot fetch kernel "${kernel}": ${state}`, options);
    this.name = "KernelFetchError";
  }
}

/** The kernel that scripts/build_override_kernel.ts has built, if it has. */
export const OVERRIDE_KERNEL = "override";

/** Since 7.x Debian splits one kernel into these packages; before, linux-image has it all. */
const KERNEL_PACKAGE = /^linux-(image|binary|modules)-\d/;

/** Meta package, image, binary, modules: more steps mean that Debian's layout has changed. */
const PACKAGES_MAX = 8;

/** The kernels the project supports, in the order of their age. */
export async function listKernels(): Promise<readonly KernelEntry[]> {
  return (await readKernelsFile()).kernels;
}

/**
 * Returns a kernel from the cache, fetching it first when it is not there.
 *
 * @throws {KernelFetchError} it cannot be had; `cause` and `hint` say why.
 */
export async function fetchKernel(name: string, update = false): Promise<KernelImage> {
  if (name === OVERRIDE_KERNEL) return await openOverrideKernel();
  const { kernels, modules } = await readKernelsFile();
  const entry = kernels.find((kernel) => kernel.name === name);
  if (entry === undefined) {
    const names = kernels.map((kernel) => kernel.name).join(", ");
    throw new KernelFetchError(name, "kernels.json does not have it", `one of ${names}`);
  }
  const folder = join(openWorkspace().out, "kernels", name);
  // Tests of several processes may want the same kernel.
  using _lock = await lockFile(`${folder}.lock`);
  const cached = update ? null : await readCached(folder, entry, modules);
  if (cached !== null) return cached;
  try {
    return await fetchInto(folder, entry, modules);
  } catch (error) {
    if (error instanceof KernelFetchError) throw error;
    const output = (error as { output?: string }).output?.trim() ?? "";
    const state = `${(error as Error).message}${output === "" ? "" : `\n${output}`}`;
    throw new KernelFetchError(name, state, "see that apt reaches Debian's archive", {
      cause: error,
    });
  }
}

/** Whether the kernel is there that tests of bpf_override_return() boot. */
export async function hasOverrideKernel(): Promise<boolean> {
  return await openOverrideKernel().then(() => true, () => false);
}

async function openOverrideKernel(): Promise<KernelImage> {
  const folder = join(openWorkspace().out, "kernels", OVERRIDE_KERNEL);
  try {
    const { release } = JSON.parse(await Deno.readTextFile(join(folder, "state.json")));
    return describeImage(folder, { name: OVERRIDE_KERNEL, suite: "none" }, release);
  } catch (error) {
    const hint = "deno run -A scripts/build_override_kernel.ts";
    throw new KernelFetchError(OVERRIDE_KERNEL, "it is not built", hint, { cause: error });
  }
}

async function readKernelsFile(): Promise<KernelsFile> {
  const path = join(openWorkspace().root, "tests/matrix/kernels.json");
  return JSON.parse(await Deno.readTextFile(path));
}

async function readCached(
  folder: string,
  entry: KernelEntry,
  modules: readonly string[],
): Promise<KernelImage | null> {
  try {
    const state: KernelState = JSON.parse(await Deno.readTextFile(join(folder, "state.json")));
    const wanted = state.suite === entry.suite && state.modules.join() === modules.join();
    if (!wanted || await hashFile(join(folder, "vmlinuz")) !== state.vmlinuzSha256) return null;
    return describeImage(folder, entry, state.release);
  } catch {
    // Never fetched, or half written by an older version: fetching makes it whole.
    return null;
  }
}

function describeImage(folder: string, entry: KernelEntry, release: string): KernelImage {
  const { name, suite } = entry;
  return {
    name,
    suite,
    release,
    vmlinuzPath: join(folder, "vmlinuz"),
    modulesPath: join(folder, "modules"),
  };
}

async function fetchInto(
  folder: string,
  entry: KernelEntry,
  modules: readonly string[],
): Promise<KernelImage> {
  await Deno.mkdir(join(folder, ".."), { recursive: true });
  const work = await Deno.makeTempDir({ dir: join(folder, ".."), prefix: `.${entry.name}-` });
  try {
    console.error(`kernels: fetching ${entry.name} from ${entry.suite}`);
    const apt = new PrivateApt(
      join(work, "apt"),
      sourceLines(await machineArchives(), entry.suite),
    );
    await apt.update();
    const packages = await findKernelPackages(apt, entry);
    for (const record of packages) {
      const path = await apt.download(record, join(work, "debs"));
      await runTool("dpkg-deb", ["-x", path, join(work, "tree")]);
    }
    const release = await keepBootFiles(join(work, "tree"), join(work, "kernel"), modules);
    const state: KernelState = {
      suite: entry.suite,
      modules,
      release,
      vmlinuzSha256: await hashFile(join(work, "kernel/vmlinuz")),
      packages,
    };
    await writeFileAtomically(
      join(work, "kernel/state.json"),
      JSON.stringify(state, null, 2) + "\n",
    );
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await Deno.rename(join(work, "kernel"), folder);
    console.error(`kernels: ${entry.name} is ${release}`);
    return describeImage(folder, entry, release);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** The packages of one kernel build: names with version and suffix, so they are looked up. */
async function findKernelPackages(apt: PrivateApt, entry: KernelEntry): Promise<PackageRecord[]> {
  const architecture = (await runTool("dpkg", ["--print-architecture"])).trim();
  const meta = await apt.find(`linux-image-cloud-${architecture}`);
  if (meta === null) {
    throw new KernelFetchError(
      entry.name,
      `suite ${entry.suite} has no cloud kernel for ${architecture}`,
      "name another suite in tests/matrix/kernels.json",
    );
  }
  if (!meta.version.startsWith(`${entry.name}.`)) {
    throw new KernelFetchError(
      entry.name,
      `suite ${entry.suite} has ${meta.version} now`,
      "name the new version, or another suite, in tests/matrix/kernels.json",
    );
  }
  const found = new Map<string, PackageRecord>();
  const waiting = [...meta.depends];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name) || !KERNEL_PACKAGE.test(name)) continue;
    const record = await apt.find(name);
    if (record === null || found.size === PACKAGES_MAX) {
      throw new KernelFetchError(entry.name, `package ${name} is not what it was`, "look at it");
    }
    found.set(name, record);
    waiting.push(...record.depends);
  }
  return [...found.values()];
}

/**
 * Moves the kernel and the wanted modules out of the unpacked packages.
 *
 * @returns the release, which is the name of the modules' folder.
 */
async function keepBootFiles(
  tree: string,
  kernel: string,
  modules: readonly string[],
): Promise<string> {
  await Deno.mkdir(join(kernel, "modules"), { recursive: true });
  const files = (await runTool("find", [tree, "-type", "f"])).split("\n");
  // In /boot/vmlinuz-<release> up to 6.12, in the modules' folder since 7.x.
  const vmlinuz = files.find((path) => /\/vmlinuz(-[^/]*)?$/.test(path));
  const release = files.map((path) => /\/lib\/modules\/([^/]+)\/kernel\//.exec(path)?.[1])
    .find((name) => name !== undefined);
  if (vmlinuz === undefined || release === undefined) {
    throw new Error(`Cannot read packages below "${tree}": no kernel in them`);
  }
  await Deno.rename(vmlinuz, join(kernel, "vmlinuz"));
  for (const name of modules) {
    const path = files.find((file) => basename(file).replace(/\.xz$/, "") === `${name}.ko`);
    if (path === undefined) throw new Error(`Cannot find module "${name}": ${release} has none`);
    await Deno.rename(path, join(kernel, "modules", basename(path)));
    if (path.endsWith(".xz")) await runTool("xz", ["-d", join(kernel, "modules", basename(path))]);
  }
  return release;
}

async function hashFile(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

if (import.meta.main) {
  const update = Deno.args.includes("--update");
  const names = Deno.args.filter((argument) => argument !== "--update");
  const all = (await listKernels()).map((kernel) => kernel.name);
  for (const name of names.length === 0 ? all : names) {
    try {
      await fetchKernel(name, update);
    } catch (error) {
      if (!(error instanceof KernelFetchError)) throw error;
      console.error(`${error.message}\n  hint: ${error.hint}`);
      Deno.exitCode = 1;
    }
  }
}
