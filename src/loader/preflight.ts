/**
 * What must hold before any BPF program can be loaded, asked first because the kernel's own answers
 * (EPERM, EINVAL) do not tell these apart.
 *
 * @module
 */
import { KERNEL_BTF_PATH } from "./kernel_features.ts";
import { LoadError } from "./load_error.ts";

/** Files that are looked at; tests hand in their own. */
export interface PreflightPaths {
  readonly status: string;
  readonly lockdown: string;
  readonly btf: string;
}

const PATHS: PreflightPaths = {
  status: "/proc/self/status",
  lockdown: "/sys/kernel/security/lockdown",
  btf: KERNEL_BTF_PATH,
};

/** Bits of CapEff. CAP_SYS_ADMIN stands for the other two. */
const CAP_SYS_ADMIN = 1n << 21n;
const NEEDED_CAPABILITIES = { CAP_PERFMON: 1n << 38n, CAP_BPF: 1n << 39n };

/** @throws {LoadError} no sensor can be loaded on this system by this user. */
export function checkSystem(paths: PreflightPaths = PATHS): void {
  checkCapabilities(paths.status);
  checkLockdown(paths.lockdown);
  checkBtf(paths.btf);
}

function checkCapabilities(path: string): void {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync(path))?.[1];
  // Without the line nothing is known; the load itself will tell.
  if (mask === undefined) return;
  const effective = BigInt(`0x${mask}`);
  if ((effective & CAP_SYS_ADMIN) !== 0n) return;
  const missing = Object.entries(NEEDED_CAPABILITIES)
    .filter(([, bit]) => (effective & bit) === 0n)
    .map(([name]) => name);
  if (missing.length === 0) return;
  throw new LoadError("BPF programs", `${missing.join(" and ")} missing`, {
    obstacle: "not_permitted",
    hint: "run as root (sudo), or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE",
  });
}

/**
 * "confidentiality" forbids programs to read kernel memory; "integrity" only to write user memory,
 * which we do not. The file is not there without securityfs or the lockdown LSM.
 */
function checkLockdown(path: string): void {
  if (!/\[confidentiality\]/.test(readIfThere(path))) return;
  throw new LoadError("BPF programs", 'the kernel is in lockdown "confidentiality"', {
    obstacle: "lockdown",
    hint: "boot with lockdown=integrity or without; Secure Boot may switch it on",
  });
}

function checkBtf(path: string): void {
  try {
    Deno.statSync(path);
  } catch (cause) {
    throw new LoadError("BPF programs", `the kernel has no BTF ("${path}")`, {
      obstacle: "not_supported",
      hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all current distributions have, " +
        "and mount /sys",
      feature: "btf",
      cause,
    });
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
