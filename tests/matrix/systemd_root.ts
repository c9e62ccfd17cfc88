/**
 * A Debian root file system with systemd, made once and kept as an archive that guests boot from.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { lockFile } from "../../scripts/build/lock_file.ts";
import { runTool } from "../../scripts/build/run_tool.ts";
import { openWorkspace } from "../../scripts/build/workspace.ts";
import { machineArchives } from "../../scripts/private_apt.ts";
import type { GuestBoot } from "./boot_kernel.ts";
import { findProgram, GuestTree } from "./guest_tree.ts";

const SUITE = "bookworm";

/** Beside what debootstrap calls minbase. systemd-sysv has /sbin/init. */
const PACKAGES = ["systemd", "systemd-sysv"];

/** A change of what the archive holds takes effect through its name: raise this with it. */
const FORM = 1;

/** Of no use in a guest that lives for seconds; a third of the tree. */
const SKIPPED =
  /^(usr\/share\/(doc|man|locale|info|zoneinfo)|var\/(cache|lib)\/apt)\/.|^(proc|sys)\/./;

/**
 * Units that wait for hardware a guest does not have; a device unit costs 90 s. With them masked
 * systemd is up in seconds under emulation.
 */
const MASKED = [
  "dev-hugepages.mount",
  "getty.target",
  "serial-getty@ttyS0.service",
  "systemd-logind.service",
  "systemd-random-seed.service",
  "systemd-timesyncd.service",
  "systemd-tmpfiles-setup-dev.service",
  "systemd-udev-trigger.service",
  "systemd-udevd.service",
  "systemd-update-utmp.service",
  "timers.target",
];

/** Runs the guest's command when the host is up, as a service that does not stand in the way. */
const COMMAND_UNIT = `[Unit]
Description=Command of the guest
[Service]
Type=simple
ExecStart=/bin/sh /guest/run
`;

/** What {@link bootGuest} needs for a guest with systemd as first process. */
export async function systemdBoot(
  tree: GuestTree,
): Promise<Pick<GuestBoot, "tree" | "baseArchive" | "init" | "cmdline" | "memoryMb">> {
  tree.addText("/etc/systemd/system/guest-command.service", COMMAND_UNIT);
  const wants = "/etc/systemd/system/multi-user.target.wants/guest-command.service";
  tree.addLink(wants, "../guest-command.service");
  // Without one systemd takes this for a first boot and asks for settings.
  tree.addText("/etc/machine-id", "5f2c8a3e9d1b4706a8e3c5d7f9b1a2c4\n");
  return {
    tree,
    baseArchive: await systemdRoot(),
    init: "/sbin/init",
    cmdline: [
      ...["systemd.unit=multi-user.target", "systemd.show_status=0"],
      ...MASKED.map((unit) => `systemd.mask=${unit}`),
    ],
    memoryMb: 1_536,
  };
}

/** Path of the archive. Making it takes about a minute and Debian's package archive. */
async function systemdRoot(): Promise<string> {
  const key = JSON.stringify([FORM, SUITE, PACKAGES, Deno.build.arch, SKIPPED.source]);
  const hash = createHash("sha256").update(key).digest("hex").slice(0, 16);
  const folder = join(openWorkspace().out, "rootfs");
  const path = join(folder, `systemd-${hash}.cpio`);
  // Tests of several processes may want it.
  using _lock = await lockFile(`${path}.lock`);
  const present = await Deno.stat(path).catch(() => null);
  if (present !== null) return path;
  await Deno.mkdir(folder, { recursive: true });
  const work = await Deno.makeTempDir({ dir: folder, prefix: ".systemd-" });
  try {
    console.error(`rootfs: making ${SUITE} with ${PACKAGES.join(", ")}`);
    const root = join(work, "root");
    await makeRoot(root);
    const tree = new GuestTree();
    tree.addTree("/", root, (relative) => SKIPPED.test(relative));
    tree.addDevice("/dev/console", 0o600, [5, 1]);
    await tree.addProgram("/usr/bin/busybox", await findProgram("busybox"));
    await tree.writeToPath(join(work, "archive"));
    await Deno.rename(join(work, "archive"), path);
    return path;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/**
 * debootstrap mounts /proc in the new root and runs programs there. In namespaces of its own, so
 * mounts and processes end with it, also when it is killed.
 */
async function makeRoot(root: string): Promise<void> {
  const { main } = await machineArchives();
  await runTool("unshare", [
    ...["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"],
    ...["debootstrap", "--variant=minbase", `--include=${PACKAGES.join()}`, SUITE, root, main],
  ]);
}
