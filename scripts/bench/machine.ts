/**
 * What the numbers were measured on.
 *
 * @module
 */
import { runTool } from "../build/run_tool.ts";
import type { Workspace } from "../build/workspace.ts";
import type { Machine } from "./report.ts";

const BYTES_PER_MB = 1e6;

/** Reads kernel, CPUs and the commit of the checkout. */
export async function readMachine(workspace: Workspace): Promise<Machine> {
  const cpuInfo = await Deno.readTextFile("/proc/cpuinfo");
  const commit = await runTool("git", ["-C", workspace.root, "describe", "--always", "--dirty"]);
  return {
    kernel: Deno.osRelease(),
    cpus: navigator.hardwareConcurrency,
    // arm64 has no such line.
    cpuModel: /^model name\s*:\s*(.*)$/m.exec(cpuInfo)?.[1] ?? Deno.build.arch,
    memoryMb: Math.round(Deno.systemMemoryInfo().total / BYTES_PER_MB),
    deno: Deno.version.deno,
    commit: commit.trim(),
    load: Deno.loadavg()[0] ?? 0,
  };
}
