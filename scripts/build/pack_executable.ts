/**
 * Makes `dist/shrike` from a launcher, the pinned Deno and the payload, where `deno compile` has no
 * base runtime. How such a file starts is in `launcher/README.md`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { BuildStep } from "./build_step.ts";
import { PAYLOAD_FILES } from "./payload_files.ts";
import { runTool, toolIdentity } from "./run_tool.ts";
import { pinnedDeno, type Workspace } from "./workspace.ts";

/** Deno's arguments; the launcher adds the path of the main module, which has no extension. */
const RUNTIME_ARGUMENTS = [
  "run",
  // Reading /proc of other processes and dlopen() are each as strong as every permission.
  "--allow-all",
  // Nothing of the directory it is started in, nothing of a cache, nothing from the network.
  "--no-config",
  "--no-lock",
  "--no-npm",
  "--no-remote",
  "--no-code-cache",
  "--no-check",
  "--ext=js",
  // Garbage of a storm is collected before the heap has doubled, young garbage in small steps:
  // after 25,000 execs about 100 MB stay resident instead of 230 (`deno task bench memory`).
  "--v8-flags=--max-semi-space-size=2,--heap-growing-percent=20,--optimize-for-size",
];

/** What the runtime gets instead of the user's; every other `DENO_*` and `NODE_*` is dropped. */
const RUNTIME_ENVIRONMENT = [
  "DENO_NO_UPDATE_CHECK=1",
  "DENO_NO_PROMPT=1",
  "DENO_NO_PACKAGE_JSON=1",
  // No folder can be made there, so Deno keeps its caches in memory.
  "DENO_DIR=/dev/null/shrike",
  // It says so on terminals (cli/cache/cache_db.rs), where it would stand before our first line.
  "DENO_LOG=info,deno::cache::cache_db=off",
  // Deno reads ~/.npmrc, and does not start when it cannot parse it. Debian promises that this
  // folder does not exist; the agent has no use for a home.
  "HOME=/nonexistent",
];

/** `struct trailer` of launcher.h: size, and what the checksum covers. */
const TRAILER_SIZE = 168;
const MAIN_MODULE = "bundle/boot.js";
const TRAILER_MAGIC = "SHRIKE01";
const RUNTIME_ALIGN = 65536;

/** A part of the file, bytes. */
interface Region {
  readonly offset: number;
  readonly size: number;
}

/** The step that packs launcher, Deno and payload. */
export async function packStep(workspace: Workspace): Promise<BuildStep> {
  const deno = pinnedDeno(workspace);
  return {
    name: "dist-shrike",
    inputs: [
      ...PAYLOAD_FILES.map((file) => `.out/${file}`),
      ".out/bpf",
      "scripts/build/launcher",
      "scripts/build/pack_executable.ts",
    ],
    key: ["pack", ...await Promise.all(["gcc", deno].map(toolIdentity))],
    outputs: ["dist/shrike"],
    run: () => pack(workspace, deno),
  };
}

async function pack(workspace: Workspace, deno: string): Promise<void> {
  const work = await Deno.makeTempDir({ dir: workspace.out, prefix: "pack.work." });
  try {
    const launcher = await compileLauncher(workspace, work);
    const runtime = await Deno.readFile(deno);
    const parts = {
      arguments: encodeTexts(RUNTIME_ARGUMENTS),
      environment: encodeTexts(RUNTIME_ENVIRONMENT),
      ...await encodePayload(workspace),
    };
    await Deno.mkdir(workspace.dist, { recursive: true });
    const path = join(work, "shrike");
    await writeExecutable(path, launcher, runtime, parts);
    await Deno.rename(path, join(workspace.dist, "shrike"));
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Static, so that it runs before any library is found, and small enough not to matter (0.7 MB). */
async function compileLauncher(workspace: Workspace, work: string): Promise<Uint8Array> {
  const folder = join(workspace.root, "scripts/build/launcher");
  const sources = ["launcher.c", "image.c", "start_mapped.c", "start_exec.c"];
  const path = join(work, "launcher");
  await runTool("gcc", [
    ..."-std=c11 -O2 -Wall -Wextra -Werror -static-pie -fPIE -s".split(" "),
    ..."-ffunction-sections -Wl,--gc-sections".split(" "),
    ...sources.map((source) => join(folder, source)),
    "-o",
    path,
  ]);
  return await Deno.readFile(path);
}

/** The payload as `src/loader/payload.ts` reads it: size of the index, index, files. */
async function encodePayload(
  workspace: Workspace,
): Promise<{ readonly payload: Uint8Array; readonly main: Region }> {
  const names = [...PAYLOAD_FILES];
  for await (const entry of Deno.readDir(join(workspace.out, "bpf"))) {
    if (entry.name.endsWith(".bpf.o")) names.push(`bpf/${entry.name}`);
  }
  const index: Record<string, Region> = {};
  const files: Uint8Array[] = [];
  let end = 0;
  for (const name of names.sort()) {
    const bytes = await Deno.readFile(join(workspace.out, name));
    index[name] = { offset: end, size: bytes.length };
    files.push(bytes);
    end += bytes.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(index));
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, text.length, true);
  const main = index[MAIN_MODULE]!;
  return {
    payload: concat([size, text, ...files]),
    main: { offset: size.length + text.length + main.offset, size: main.size },
  };
}

/** What stands behind the runtime. */
interface Parts {
  readonly arguments: Uint8Array;
  readonly environment: Uint8Array;
  readonly payload: Uint8Array;
  /** In the payload. */
  readonly main: Region;
}

/** Writes launcher, runtime, parts and trailer, as launcher.h describes. */
async function writeExecutable(
  path: string,
  launcher: Uint8Array,
  runtime: Uint8Array,
  parts: Parts,
): Promise<void> {
  const runtimeOffset = Math.ceil(launcher.length / RUNTIME_ALIGN) * RUNTIME_ALIGN;
  let end = runtimeOffset + runtime.length;
  const regions: Region[] = [{ offset: runtimeOffset, size: runtime.length }];
  for (const part of [parts.arguments, parts.environment, parts.payload]) {
    regions.push({ offset: end, size: part.length });
    end += part.length;
  }
  const { main, payload } = parts;
  regions.push({ offset: end - payload.length + main.offset, size: main.size });
  const body = concat([parts.arguments, parts.environment, parts.payload]);
  const trailer = encodeTrailer(end + TRAILER_SIZE, regions, runtime, body);
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o755 });
  const padding = new Uint8Array(runtimeOffset - launcher.length);
  for (const bytes of [launcher, padding, runtime, body, trailer]) await writeAll(file, bytes);
  await file.sync();
}

function encodeTrailer(
  fileSize: number,
  regions: readonly Region[],
  runtime: Uint8Array,
  body: Uint8Array,
): Uint8Array {
  const trailer = new Uint8Array(TRAILER_SIZE);
  const view = new DataView(trailer.buffer);
  const encoder = new TextEncoder();
  trailer.set(encoder.encode(TRAILER_MAGIC));
  const numbers = [fileSize, ...regions.flatMap((region) => [region.offset, region.size])];
  numbers.forEach((number, i) => view.setBigUint64(8 + i * 8, BigInt(number), true));
  const digest = createHash("sha256").update(runtime).digest("hex");
  trailer.set(encoder.encode(digest), 8 + numbers.length * 8);
  const checked = concat([body, trailer.subarray(0, TRAILER_SIZE - 8)]);
  view.setBigUint64(TRAILER_SIZE - 8, fnv1a64(checked), true);
  return trailer;
}

/** FNV-1a, 64 bits, in halves of 32: BigInt per byte would take a second. */
export function fnv1a64(bytes: Uint8Array): bigint {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    // The prime is 2^40 + 0x1b3: times 0x1b3, and low shifted by 40 bits into high.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return BigInt(high) << 32n | BigInt(low);
}

function encodeTexts(texts: readonly string[]): Uint8Array {
  return new TextEncoder().encode(texts.map((text) => `${text}\0`).join(""));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}
