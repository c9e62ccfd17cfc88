/**
 * What a maintainer needs to understand a host, as one file: the examination, versions, kernel
 * config, mounts, cgroups, settings. No arguments of processes, no values of variables, no secrets.
 *
 * @module
 */
import { gunzipSync, gzipSync } from "node:zlib";
import type { CgroupWalk, HostFiles } from "../cgroups/mod.ts";
import type { RuntimesLook } from "./check_runtimes.ts";
import type { Examination } from "./examine_host.ts";
import type { Finding } from "./finding.ts";
import { encodeExamination, formatExamination } from "./format_examination.ts";
import { configWithoutSecrets, LEFT_OUT, withoutSecrets } from "./leave_out_secrets.ts";
import { type ArchiveFile, encodeTar } from "./tar_archive.ts";

/** What goes in. */
export interface BundleSources {
  readonly files: HostFiles;
  readonly examination: Examination;
  readonly environment: Readonly<Record<string, string>>;
  /** JSON of `shrike version`. */
  readonly versions: string;
  readonly release: string;
  /** Text of the config file; undefined when there is none. */
  readonly configText: string | undefined;
  readonly nowMs: number;
}

/** Settings of the kernel that decide what the agent can do. */
const KERNEL_CONFIG_WORDS = "BPF CGROUP DEBUG_INFO_BTF MEMCG CPUSETS SECURITY_LOCKDOWN LSM " +
  "SECURITYFS PERF_EVENTS FTRACE KPROBES UPROBES FPROBE FUNCTION_TRACER TRACEPOINTS HAVE_EBPF " +
  "SOCK_CGROUP NET_CLS USER_NS PREEMPT";
const KERNEL_CONFIG_LINE = new RegExp(
  `^(# )?CONFIG_(${KERNEL_CONFIG_WORDS.replaceAll(" ", "|")})`,
);

/** File systems whose mounts matter; those of disks and networks may name servers and users. */
const TOLD_MOUNTS = / - (cgroup2?|proc|sysfs|bpf|tracefs|debugfs|securityfs) /;

/** Directory inside the archive. */
const FOLDER = "shrike-doctor";

/** The bytes of the .tar.gz. */
export function makeBundle(sources: BundleSources): Uint8Array {
  const { files, versions, configText, nowMs } = sources;
  const { walk } = sources.examination;
  const findings = sources.examination.findings.map(withoutValues);
  const runtimes = runtimesWithoutSecrets(sources.examination.runtimes);
  const examination = { ...sources.examination, findings, runtimes };
  const parts: Record<string, string> = {
    "doctor.json": encodeExamination(examination),
    "doctor.txt": formatExamination(examination, { color: false }),
    "versions.json": versions,
    "kernel_config.txt": readKernelConfig(sources),
    "mounts.txt": readMounts(files),
    "proc_self_cgroup.txt": files.readText("/proc/self/cgroup") ?? "",
    "proc_cgroups.txt": files.readText("/proc/cgroups") ?? "",
    "cgroups.txt": walk === null ? "" : formatWalk(walk),
    "environment_names.txt": variableNames(sources.environment),
    ...(configText === undefined ? {} : { "config.yaml": configWithoutSecrets(configText) }),
  };
  const archived: ArchiveFile[] = Object.entries(parts).map(([name, text]) => ({
    name: `${FOLDER}/${name}`,
    // All of it once more: what a host puts into names and paths is not ours to know.
    text: name.endsWith(".json") || name === "config.yaml" ? text : withoutSecrets(text),
  }));
  return gzipSync(encodeTar(archived, nowMs));
}

/**
 * Writes a file that only its owner may read.
 *
 * @throws {BundleError} it exists already, or cannot be written
 */
export function writeBundle(path: string, bytes: Uint8Array): void {
  try {
    // createNew: neither an older report nor what a link points to is written over.
    using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (cause) {
    const exists = cause instanceof Deno.errors.AlreadyExists;
    const state = exists ? "it exists" : cause instanceof Error ? cause.message : String(cause);
    const hint = exists
      ? "name a new file, or remove this one"
      : "name a file in a directory of yours";
    throw new BundleError(path, state, hint, cause);
  }
}

/** The bundle cannot be written. */
export class BundleError extends Error {
  override readonly name = "BundleError";

  constructor(readonly path: string, state: string, readonly hint: string, cause: unknown) {
    super(`Cannot write "${path}": ${state}`, { cause });
  }
}

/** Mistakes in settings quote the value, which may come from a variable. */
function withoutValues(finding: Finding): Finding {
  const text = finding.name === "config"
    ? finding.text.replace(/(?<=: .*)"(?:[^"\\]|\\.)*"/g, `"${LEFT_OUT}"`)
    : finding.text;
  return { ...finding, text: withoutSecrets(text) };
}

/** What a runtime says goes in as it says it: a proxy's address may hold a password. */
function runtimesWithoutSecrets(look: RuntimesLook): RuntimesLook {
  const endpoints = look.endpoints.map((endpoint) => {
    const { version, error, lastError } = endpoint;
    return {
      ...endpoint,
      ...(version === undefined ? {} : { version: withoutSecrets(version) }),
      ...(error === undefined ? {} : { error: { ...error, text: withoutSecrets(error.text) } }),
      ...(lastError === undefined ? {} : { lastError: withoutSecrets(lastError) }),
    };
  });
  return { ...look, endpoints };
}

function readKernelConfig({ files, release }: BundleSources): string {
  const packed = files.readBytes("/proc/config.gz");
  const text = packed === undefined
    ? files.readText(`/boot/config-${release}`)
    : new TextDecoder().decode(gunzipSync(packed));
  if (text === undefined) return "neither /proc/config.gz nor /boot/config-RELEASE can be read\n";
  return text.split("\n").filter((line) => KERNEL_CONFIG_LINE.test(line))
    .map((line) => `${line}\n`).join("");
}

function readMounts(files: HostFiles): string {
  return (files.readText("/proc/self/mountinfo") ?? "").split("\n")
    .filter((line) => TOLD_MOUNTS.test(line)).map((line) => `${line}\n`).join("");
}

function formatWalk({ hierarchyId, cgroups, beyondLimit }: CgroupWalk): string {
  const rows = cgroups.map(({ path, id, parentId, level, isPopulated }) =>
    `${id} ${parentId} ${level} ${isPopulated ? "populated" : "empty"} ${JSON.stringify(path)}\n`
  );
  const head = `# hierarchy ${hierarchyId}, ${beyondLimit} beyond the limit\n` +
    "# id parent level populated path\n";
  return head + rows.join("");
}

/** Which of our variables are set, and those by which service managers and runtimes speak. */
function variableNames(environment: Readonly<Record<string, string>>): string {
  return Object.keys(environment)
    .filter((name) => /^(SHRIKE_|NOTIFY_|WATCHDOG_|SYSTEMD_|KUBERNETES_|JOURNAL_)/.test(name))
    .sort().map((name) => `${name}\n`).join("");
}
