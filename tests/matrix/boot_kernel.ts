/**
 * Boots a kernel in QEMU, runs one command in it and brings back what it said.
 *
 * @module
 */
import { join } from "node:path";
import type { KernelImage } from "../../scripts/fetch_kernels.ts";
import { openWorkspace } from "../../scripts/build/workspace.ts";
import { findProgram, type GuestTree } from "./guest_tree.ts";
import { type GuestMachine, hostGuestMachine, kvmWorks } from "./guest_machine.ts";
import { busyboxInit, type GuestReport, readReport, runScript } from "./guest_scripts.ts";

/** What to boot and what to run in it. */
export interface GuestBoot {
  readonly kernel: KernelImage;
  /** Files of the guest. With busybox, unless an init system is in `baseArchive`. */
  readonly tree: GuestTree;
  /** Shell commands, run by the guest's `sh` as root. */
  readonly command: string;
  /** Files to bring back, by their path in the guest. */
  readonly outputs?: readonly string[];
  /** Limit for one boot, from QEMU's start to its end. */
  readonly timeoutMs: number;
  readonly memoryMb?: number;
  /** 2 by default. With one an agent starts faster: it has a worker for each. */
  readonly cpus?: number;
  /** Words added to the kernel's command line. */
  readonly cmdline?: readonly string[];
  /** An archive unpacked before `tree`; its own init must run `sh /guest/run`. */
  readonly baseArchive?: string;
  /** First process; by default our own, which mounts what is needed and runs the command. */
  readonly init?: string;
}

/** A guest that ran its command to the end. */
export interface GuestResult extends GuestReport {
  readonly exitCode: number;
  /** Boots it took: 2 when the first guest crashed. */
  readonly boots: number;
  readonly elapsedMs: number;
  readonly accelerator: "kvm" | "tcg";
}

/** A guest ended, or was ended, before its command did. */
export class GuestError extends Error {
  constructor(
    readonly kernel: string,
    readonly reason: "crashed" | "timed_out",
    /** What the command had printed. */
    readonly output: string,
    /** End of the kernel's console. */
    readonly console: string,
  ) {
    const state = reason === "crashed" ? "it ended without a verdict" : "its time is over";
    super(`Cannot run guest "${kernel}": ${state}\n${output}\n--- console ---\n${console}`);
    this.name = "GuestError";
  }
}

/** A crash under emulation can be QEMU's own; a second one is the guest's. */
const BOOTS_MAX = 2;

/** Enough for a kernel's panic message with its stack. */
const CONSOLE_TAIL_SIZE = 8_192;

let accelerator: Promise<"kvm" | "tcg"> | null = null;

/**
 * Boots a guest and waits for its end. QEMU never outlives the call, nor this process.
 *
 * @throws {GuestError} it crashed twice, or did not end in time.
 */
export async function bootGuest(boot: GuestBoot): Promise<GuestResult> {
  const machine = hostGuestMachine();
  accelerator ??= kvmWorks(machine).then((works) => works ? "kvm" : "tcg");
  const context = { machine, accelerator: await accelerator };
  for (let boots = 1;; boots += 1) {
    const started = performance.now();
    try {
      const report = await bootOnce(boot, context);
      return { ...report, boots, elapsedMs: performance.now() - started, ...context };
    } catch (error) {
      const again = error instanceof GuestError && error.reason === "crashed" && boots < BOOTS_MAX;
      if (!again) throw error;
      console.error(`guest ${boot.kernel.name}: crashed, booting it once more\n${error.console}`);
    }
  }
}

interface BootContext {
  readonly machine: GuestMachine;
  readonly accelerator: "kvm" | "tcg";
}

async function bootOnce(
  boot: GuestBoot,
  context: BootContext,
): Promise<GuestReport & { readonly exitCode: number }> {
  const parent = join(openWorkspace().out, "guests");
  await Deno.mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  const folder = await Deno.makeTempDir({ dir: parent, prefix: `${Deno.pid}-` });
  try {
    const nonce = crypto.randomUUID();
    await writeImage(boot, context.machine, { folder, nonce });
    const inTime = await runQemu(await qemuCommand(boot, context, folder), boot.timeoutMs);
    const results = await Deno.readFile(join(folder, "results"));
    const report = readReport(new TextDecoder().decode(results), nonce);
    const { exitCode } = report;
    if (exitCode !== null) return { ...report, exitCode };
    const log = new TextDecoder().decode(await Deno.readFile(join(folder, "console")));
    throw new GuestError(
      boot.kernel.name,
      inTime ? "crashed" : "timed_out",
      report.output,
      // The firmware's escape codes would clear the screen of whoever reads this.
      log.replaceAll("\x1b", "").slice(-CONSOLE_TAIL_SIZE),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Removes what a killed test run has left: an image is as big as the guest's files. */
async function removeAbandoned(parent: string): Promise<void> {
  for await (const { name } of Deno.readDir(parent)) {
    const owner = await Deno.stat(`/proc/${name.split("-")[0]}`).catch(() => null);
    if (owner === null) await Deno.remove(join(parent, name), { recursive: true }).catch(() => {});
  }
}

async function writeImage(
  boot: GuestBoot,
  machine: GuestMachine,
  { folder, nonce }: { readonly folder: string; readonly nonce: string },
): Promise<void> {
  const { tree, baseArchive, command, outputs = [] } = boot;
  if (boot.init === undefined) tree.addText("/init", busyboxInit(), 0o755);
  tree.addText("/guest/run", runScript({ machine, nonce, outputs }), 0o755);
  tree.addText("/guest/command", command, 0o755);
  const path = join(folder, "initrd");
  // The kernel unpacks archives that follow each other into one tree.
  if (baseArchive !== undefined) await Deno.copyFile(baseArchive, path);
  using file = await Deno.open(path, { append: true, create: true });
  await tree.writeTo(file);
}

async function qemuCommand(
  boot: GuestBoot,
  { machine, accelerator }: BootContext,
  folder: string,
): Promise<Deno.Command> {
  const cmdline = [
    ...[`console=${machine.console}`, "quiet", "panic=-1", `rdinit=${boot.init ?? "/init"}`],
    // A guest lives for seconds and runs only our own programs.
    ...["mitigations=off", ...boot.cmdline ?? []],
  ];
  const emulator = await findProgram(machine.emulator);
  const args = [
    ...accelerator === "kvm" ? machine.virtualized : machine.emulated,
    ...["-m", `${boot.memoryMb ?? 1_024}M`, "-smp", `${boot.cpus ?? 2}`, "-no-reboot"],
    ...["-nodefaults", "-display", "none", "-monitor", "none", "-nic", "none"],
    ...["-serial", `file:${join(folder, "console")}`, "-serial", `file:${join(folder, "results")}`],
    ...["-kernel", boot.kernel.vmlinuzPath, "-initrd", join(folder, "initrd")],
    ...["-append", cmdline.join(" ")],
  ];
  // Should this process be killed, the kernel ends QEMU with it.
  return new Deno.Command("setpriv", {
    args: ["--pdeathsig", "KILL", emulator, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  });
}

/** @returns false when it had to be ended because its time was over. */
async function runQemu(command: Deno.Command, timeoutMs: number): Promise<boolean> {
  const child = command.spawn();
  let inTime = true;
  const timer = setTimeout(() => {
    inTime = false;
    child.kill("SIGKILL");
  }, timeoutMs);
  try {
    await child.status;
    return inTime;
  } finally {
    clearTimeout(timer);
  }
}
