/**
 * The virtual machine that guests run in: everything that depends on the processor architecture
 * stands here, and only here.
 *
 * @module
 */
import { join } from "node:path";

/** One architecture's QEMU and what the kernel calls its devices. */
export interface GuestMachine {
  readonly emulator: string;
  /** Machine and CPU under emulation. */
  readonly emulated: readonly string[];
  /** Machine and CPU under KVM. */
  readonly virtualized: readonly string[];
  /** Device of the first serial port: the kernel's console. */
  readonly console: string;
  /** Device of the second serial port: results, clean of what firmware prints. */
  readonly results: string;
  /** Folder of the dynamic loader that executables name. */
  readonly loaderFolder: string;
  /** Ends the machine with `exitCode` after a few instructions; missing: KVM is not tried. */
  readonly kvmProbe?: { readonly bootSector: Uint8Array; readonly exitCode: number };
}

/** `mov dx,0xf4; mov al,0x10; out dx,al; jmp $`: isa-debug-exit then ends QEMU with 2 * 16 + 1. */
const X86_PROBE = [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xeb, 0xfe];

const MACHINES: Readonly<Record<string, GuestMachine>> = {
  x86_64: {
    emulator: "qemu-system-x86_64",
    // Without cx16: QEMU 7.2's emulation of it makes 6.12 double-fault now and then. Page tables of
    // four levels instead of five: each miss of the emulated TLB is one step shorter.
    emulated: ["-accel", "tcg,thread=multi", "-cpu", "max,-cx16,-la57"],
    virtualized: ["-accel", "kvm", "-cpu", "host"],
    console: "ttyS0",
    results: "ttyS1",
    loaderFolder: "/lib64",
    kvmProbe: { bootSector: bootSector(X86_PROBE), exitCode: 33 },
  },
};

/**
 * KVM must end its probe within this time. A machine that is itself a guest may offer a /dev/kvm
 * that is slower than emulation: 9 s against 0.07 s have been seen.
 */
const KVM_PROBE_MS = 2_000;

/** The guest machine for the architecture of this host. */
export function hostGuestMachine(): GuestMachine {
  const machine = MACHINES[Deno.build.arch];
  if (machine === undefined) {
    throw new Error(`Cannot boot a guest on "${Deno.build.arch}": its machine is not described`);
  }
  return machine;
}

/** Whether KVM is there and faster than emulation. Takes up to two seconds; ask once. */
export async function kvmWorks(machine: GuestMachine): Promise<boolean> {
  const probe = machine.kvmProbe;
  const device = await Deno.stat("/dev/kvm").catch(() => null);
  if (probe === undefined || device === null) return false;
  const folder = await Deno.makeTempDir({ prefix: "shrike-kvm-" });
  try {
    const path = join(folder, "boot_sector");
    await Deno.writeFile(path, probe.bootSector);
    const child = new Deno.Command(machine.emulator, {
      args: [
        ...["-accel", "kvm", "-display", "none", "-serial", "none", "-monitor", "none"],
        ...["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
        ...["-drive", `file=${path},format=raw`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), KVM_PROBE_MS);
    const status = await child.status;
    clearTimeout(timer);
    return status.code === probe.exitCode;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function bootSector(code: readonly number[]): Uint8Array {
  const sector = new Uint8Array(512);
  sector.set(code);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
