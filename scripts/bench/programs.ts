/**
 * Builds the C programs of the benches below `.out/bench/`.
 *
 * @module
 */
import { join } from "node:path";
import { runStep } from "../build/build_step.ts";
import { runTool } from "../build/run_tool.ts";
import { hostPlatform, type Workspace } from "../build/workspace.ts";

const SOURCES = "scripts/bench/programs";
const OUT = ".out/bench";
const C_FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror"];

/** Flags after the source file: static where the program forks much or goes into a guest. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  arrival: [],
  consumer: ["-lbpf"],
  empty_network: ["-lbpf"],
  net_load: ["-Wno-unused-result"],
  policy_calls: [],
  storm: ["-static"],
  storm_child: ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"],
  system_calls: [],
};

/** BPF objects. */
const BPF_PROGRAMS: readonly string[] = ["empty_network", "generator", "separate_policy"];

/** Absolute paths of what was built. */
export interface BenchPrograms {
  /** Stamps another program's output as it comes. */
  readonly arrival: string;
  /** The C reader of the generator's records. */
  readonly consumer: string;
  /** Attaches BPF programs that do nothing, until its stdin ends. */
  readonly emptyNetwork: string;
  /** The BPF object that emits records. */
  readonly generator: string;
  /** Loads the network path over loopback. */
  readonly netLoad: string;
  /** Makes the calls that policies are about. */
  readonly policyCalls: string;
  /** The BPF object of one policy as a program of its own. */
  readonly separatePolicy: string;
  /** Forks and execs. */
  readonly storm: string;
  /** What a storm runs. */
  readonly stormChild: string;
  /** Same program at another path, run after a storm to see that everything before has come. */
  readonly fenceChild: string;
  /** Fires the generator. */
  readonly systemCalls: string;
}

/**
 * Compiles what has changed.
 *
 * @throws {ToolError} a compiler is missing or fails.
 */
export async function buildPrograms(workspace: Workspace): Promise<BenchPrograms> {
  const out = join(workspace.root, OUT);
  await Deno.mkdir(out, { recursive: true });
  for (const [name, flags] of Object.entries(PROGRAMS)) {
    await runStep(workspace, {
      name: `bench_${name}`,
      inputs: [`${SOURCES}/${name}.c`],
      key: [...C_FLAGS, ...flags],
      outputs: [`${OUT}/${name}`],
      run: async () => {
        const source = join(workspace.root, SOURCES, `${name}.c`);
        await runTool("gcc", [...C_FLAGS, "-o", join(out, name), source, ...flags]);
      },
    });
  }
  for (const name of BPF_PROGRAMS) await buildBpfProgram(workspace, name);
  await Deno.copyFile(join(out, "storm_child"), join(out, "fence_child"));
  return {
    arrival: join(out, "arrival"),
    consumer: join(out, "consumer"),
    emptyNetwork: join(out, "empty_network"),
    generator: join(out, "generator.bpf.o"),
    netLoad: join(out, "net_load"),
    policyCalls: join(out, "policy_calls"),
    separatePolicy: join(out, "separate_policy.bpf.o"),
    storm: join(out, "storm"),
    stormChild: join(out, "storm_child"),
    fenceChild: join(out, "fence_child"),
    systemCalls: join(out, "system_calls"),
  };
}

async function buildBpfProgram(workspace: Workspace, name: string): Promise<void> {
  const output = `${OUT}/${name}.bpf.o`;
  await runStep(workspace, {
    name: `bench_${name}`,
    inputs: [`${SOURCES}/${name}.bpf.c`, "bpf/include"],
    key: [],
    outputs: [output],
    run: async () => {
      const path = join(workspace.root, output);
      await runTool("clang", [
        "-O2",
        "-g",
        "-Wall",
        "-Werror",
        "-target",
        "bpf",
        "-mcpu=v3",
        `-D__TARGET_ARCH_${hostPlatform().bpf}`,
        `-I${join(workspace.root, "bpf/include")}`,
        // Debian keeps <asm/types.h> in a folder of the architecture, which -target bpf forgets.
        `-I/usr/include/${hostPlatform().rust}-linux-gnu`,
        "-c",
        join(workspace.root, SOURCES, `${name}.bpf.c`),
        "-o",
        path,
      ]);
    },
  });
}
