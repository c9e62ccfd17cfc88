/**
 * What else is on the host: how the agent was started, systemd, other users of BPF, the clock.
 *
 * @module
 */
import {
  type Deployment,
  hasHostPids,
  hasOwnTime,
  type HostFiles,
  OWN_PIDS,
  readTimeOffsets,
} from "../cgroups/mod.ts";
import { type Finding, TopicFindings } from "./finding.ts";

/** What is looked at. */
export interface HostCheck {
  readonly files: HostFiles;
  readonly deployment: Deployment;
  readonly pid: number;
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number;
  /** Names and pids of processes that hold BPF programs or links. */
  readonly bpfUsers: readonly BpfUser[];
}

/** A process with BPF programs. */
export interface BpfUser {
  readonly pid: number;
  /** comm. */
  readonly name: string;
  readonly programCount: number;
  readonly linkCount: number;
}

/** Before this program was written: the battery of the clock is empty. */
const CLOCK_MIN_MS = Date.UTC(2025, 0, 1);

export function checkHost(check: HostCheck): Finding[] {
  const { files, deployment, nowMs } = check;
  const found = new TopicFindings("host");
  const { kind, unit, evidence, doubts, isInContainer } = deployment;
  const what = [kind, ...(unit ? [unit] : []), ...(isInContainer ? ["in a container"] : [])];
  const besides = doubts.length > 0 ? ` (doubtful: ${doubts.join("; ")})` : "";
  found.ok("deployment", `${what.join(", ")}: ${evidence.join("; ")}${besides}`);
  if (!hasHostPids(files)) found.warning("process ids", OWN_PIDS);
  checkTime(files, found);
  checkSystemd(files, found);
  checkBpfUsers(check, found);
  if (nowMs < CLOCK_MIN_MS) {
    found.warning("clock", {
      text: `it is ${new Date(nowMs).toISOString()} here`,
      follows: "times in events are wrong until it is set, and jump then",
      hint: "set the clock (timedatectl, chronyd) before the agent starts",
    });
  } else {
    found.ok("clock", new Date(nowMs).toISOString());
  }
  return found.findings;
}

function checkTime(files: HostFiles, found: TopicFindings): void {
  if (!hasOwnTime(files)) return;
  const offsets = readTimeOffsets(files);
  const text = "this process is in a time namespace of its own";
  if (offsets === undefined) {
    return found.warning("time namespace", {
      text: `${text}, and its offsets cannot be read`,
      follows: "times in events and the start times of processes are wrong by these offsets",
      hint: "start the agent in the host's time namespace (nsenter -T -t 1)",
    });
  }
  const seconds = offsets.monotonicNs / 1_000_000_000n;
  found.ok("time namespace", `${text} (${seconds} s off); times are the host's all the same`);
}

function checkSystemd(files: HostFiles, found: TopicFindings): void {
  if (!files.exists("/run/systemd/system")) {
    return found.ok("systemd", "does not run here: shrike install can only copy files");
  }
  const unit = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"]
    .map((folder) => `${folder}/shrike.service`)
    .find((path) => files.exists(path));
  found.ok(
    "systemd",
    unit === undefined ? "runs; shrike.service is not installed" : `runs; ${unit}`,
  );
}

/** Users that are named; the rest are counted. */
const NAMED_USERS_MAX = 8;

function checkBpfUsers({ bpfUsers, pid }: HostCheck, found: TopicFindings): void {
  const others = bpfUsers.filter((user) => user.pid !== pid);
  if (others.length === 0) return found.ok("other BPF users", "none seen among the processes");
  const named = others.slice(0, NAMED_USERS_MAX).map(({ name, pid, programCount, linkCount }) =>
    `${name} (pid ${pid}): ${programCount} programs, ${linkCount} links`
  );
  const rest = others.length > named.length ? [`and ${others.length - named.length} more`] : [];
  found.ok("other BPF users", [...named, ...rest].join("; "));
}

/** Processes and descriptors looked at. */
const PROCESSES_MAX = 32_768;
const DESCRIPTORS_MAX = 4096;

/** Looks through the descriptors of all processes; those of others need root. */
export function findBpfUsers(files: HostFiles): BpfUser[] {
  const users: BpfUser[] = [];
  for (const pid of files.subdirectories("/proc").slice(0, PROCESSES_MAX)) {
    if (!/^\d+$/.test(pid)) continue;
    let [programCount, linkCount] = [0, 0];
    for (const fd of files.links(`/proc/${pid}/fd`).slice(0, DESCRIPTORS_MAX)) {
      const target = files.readLink(`/proc/${pid}/fd/${fd}`) ?? "";
      if (target === "anon_inode:bpf-prog") programCount++;
      if (target === "anon_inode:bpf_link" || target === "anon_inode:bpf-link") linkCount++;
    }
    if (programCount + linkCount === 0) continue;
    const name = (files.readText(`/proc/${pid}/comm`) ?? "?").trim();
    users.push({ pid: Number(pid), name, programCount, linkCount });
  }
  return users.sort((a, b) => b.programCount - a.programCount || a.pid - b.pid);
}
