/**
 * The shell scripts inside a guest, and the text they send back over the results port.
 *
 * @module
 */
import type { GuestMachine } from "./guest_machine.ts";

/** What came back from a guest. */
export interface GuestReport {
  /** Exit code of the command; null when the guest ended before it did. */
  readonly exitCode: number | null;
  /** stdout and stderr of the command. */
  readonly output: string;
  /** Requested files by their path in the guest; those that were not there are missing. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** Seconds since boot when the command started. */
  readonly startedAtSeconds: number | null;
}

/**
 * First process of a guest without an init system: mounts what a Linux host has mounted.
 *
 * @param options `cgroups`: false leaves them to the command
 */
export function busyboxInit({ cgroups = true }: { readonly cgroups?: boolean } = {}): string {
  return `#!/bin/sh
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# Where TOMOYO of 5.10 looks for what is executed by descriptor (security/tomoyo/domain.c).
ln -s /proc/self/fd /dev/fd
for place in /tmp /run; do
    # The checkout may stand there.
    [ -n "$(ls -A $place)" ] || mount -t tmpfs tmpfs $place
done
${cgroups ? "mount -t cgroup2 cgroup2 /sys/fs/cgroup" : ""}
mount -t securityfs securityfs /sys/kernel/security
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
hostname shrike-guest
setsid sh /guest/run
poweroff -f
`;
}

/** Options of {@link runScript}. */
export interface RunScriptOptions {
  readonly machine: GuestMachine;
  /** Sets our lines apart from what the command prints. */
  readonly nonce: string;
  readonly outputs: readonly string[];
}

/** Runs `/guest/command`, sends its output, the wanted files and its exit code, and powers off. */
export function runScript({ machine, nonce, outputs }: RunScriptOptions): string {
  const mark = `@@${nonce}`;
  const sendFiles = outputs.map((path) =>
    `if [ -f '${path}' ]; then echo '${mark} file ${path}'; ` +
    `busybox base64 '${path}'; echo '${mark} end'; fi`
  );
  // Without opost the port would turn each newline into two characters. The kernel holds the last
  // close back until the port has sent everything, so nothing is cut by the power going off.
  return `busybox stty -F /dev/${machine.results} 115200 raw -echo
{
export NO_COLOR=1 TERM=dumb
read -r uptime rest </proc/uptime
echo "${mark} start $uptime"
sh /guest/command </dev/null
code=$?
echo
${sendFiles.join("\n")}
echo "${mark} exit $code"
} >/dev/${machine.results} 2>&1
busybox poweroff -f
`;
}

/** Takes the results port's text apart. */
export function readReport(text: string, nonce: string): GuestReport {
  const output: string[] = [];
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  let exitCode: number | null = null;
  let startedAtSeconds: number | null = null;
  let path: string | null = null;
  let base64: string[] = [];
  for (const line of text.split("\n")) {
    const [word, value] = splitMark(line, `@@${nonce} `);
    if (word === "start") startedAtSeconds = Number(value);
    else if (word === "exit") exitCode = Number(value);
    else if (word === "file") [path, base64] = [value, []];
    else if (word === "end" && path !== null) {
      files.set(path, Uint8Array.fromBase64(base64.join("")));
      path = null;
    } else if (path === null) output.push(line);
    else base64.push(line);
  }
  return { exitCode, output: output.join("\n").trimEnd(), files, startedAtSeconds };
}

function splitMark(line: string, mark: string): [string | null, string] {
  if (!line.startsWith(mark)) return [null, ""];
  const [word = "", ...values] = line.slice(mark.length).split(" ");
  return [word, values.join(" ")];
}
