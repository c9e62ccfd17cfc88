/**
 * Where a build reads and writes, and what this machine is called by the tools it uses.
 *
 * @module
 */
import { join } from "node:path";

/** The folders of one checkout. All paths are absolute. */
export interface Workspace {
  readonly root: string;
  /** Everything built except the executable; ignored by git. */
  readonly out: string;
  /** The executable. */
  readonly dist: string;
}

/** One processor architecture in the words of each tool. */
export interface Platform {
  /** In npm package names: `x64`. */
  readonly npm: string;
  /** In `__TARGET_ARCH_*` of libbpf's headers: `x86`. */
  readonly bpf: string;
  /** In Rust target names, as `deno compile` wants: `x86_64`. */
  readonly rust: string;
}

const PLATFORMS: Readonly<Record<string, Platform>> = {
  x86_64: { npm: "x64", bpf: "x86", rust: "x86_64" },
  aarch64: { npm: "arm64", bpf: "arm64", rust: "aarch64" },
};

/** The checkout this file belongs to. */
export function openWorkspace(): Workspace {
  const root = join(import.meta.dirname ?? ".", "../..");
  return { root, out: join(root, ".out"), dist: join(root, "dist") };
}

/** Names of the architecture this runs on. */
export function hostPlatform(): Platform {
  const platform = PLATFORMS[Deno.build.arch];
  if (platform === undefined) {
    throw new Error(`Cannot build for "${Deno.build.arch}": only x86_64 and aarch64 are known`);
  }
  return platform;
}

/** The Deno binary that package-lock.json pins; the one scripts run and the executable carries. */
export function pinnedDeno(workspace: Workspace): string {
  const folder = `node_modules/@deno/linux-${hostPlatform().npm}-glibc`;
  return join(workspace.root, folder, "deno");
}

/** Creates the folder of `path` and replaces the file at once: readers see the old or the new. */
export async function writeFileAtomically(
  path: string,
  data: Uint8Array | string,
  mode = 0o644,
): Promise<void> {
  await Deno.mkdir(join(path, ".."), { recursive: true });
  const temporary = `${path}.${Deno.pid}.new`;
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  await Deno.writeFile(temporary, bytes, { mode });
  await Deno.rename(temporary, path);
}
