/**
 * What the kernel has and allows.
 *
 * @module
 */
import type { HostFiles } from "../cgroups/mod.ts";
import { type Finding, TopicFindings } from "./finding.ts";

/** A feature that sensors require, and whether this kernel has it. */
export interface FeatureAnswer {
  readonly name: string;
  /** For people: what to have or build. */
  readonly need: string;
  /** False: the kernel lacks it. A text: it could not be asked, and why. */
  readonly answer: boolean | string;
}

/** What is looked at. */
export interface KernelCheck {
  readonly files: HostFiles;
  /** As uname gives it. */
  readonly release: string;
  readonly version: readonly [number, number];
  readonly architecture: string;
  readonly features: readonly FeatureAnswer[];
  /** Whether this process has CAP_PERFMON or CAP_SYS_ADMIN. */
  readonly mayUsePerf: boolean;
}

/** Oldest kernel that the tests run on. */
const TESTED_SINCE = [5, 10] as const;
/** What Debian and Ubuntu add: no perf_event_open() without CAP_PERFMON. */
const PARANOID_CLOSED = 3;

export function checkKernel(check: KernelCheck): Finding[] {
  const found = new TopicFindings("kernel");
  const { release, version: [major, minor], architecture } = check;
  if (major > TESTED_SINCE[0] || (major === TESTED_SINCE[0] && minor >= TESTED_SINCE[1])) {
    found.ok("version", `${release} ${architecture}`);
  } else {
    found.warning("version", {
      text: `${release} ${architecture} is older than ${TESTED_SINCE.join(".")}`,
      follows: "nobody has tried the agent there; hooks may be missing",
      hint: `use kernel ${TESTED_SINCE.join(".")} or newer`,
    });
  }
  checkSysfs(check.files, found);
  for (const feature of check.features) checkFeature(feature, found);
  checkLockdown(check.files, found);
  checkLsm(check.files, found);
  checkSettings(check, found);
  checkClockSource(check.files, found);
  return found.findings;
}

function checkSysfs(files: HostFiles, found: TopicFindings): void {
  if (files.readText("/sys/devices/system/cpu/online")) {
    return found.ok("sysfs", "mounted at /sys");
  }
  found.problem("sysfs", {
    text: "not mounted at /sys",
    follows: "the agent finds neither the CPUs nor the kernel's types and does not start",
    hint: "mount -t sysfs sysfs /sys; in a container mount the host's /sys",
  });
}

function checkFeature({ name, need, answer }: FeatureAnswer, found: TopicFindings): void {
  if (answer === true) return found.ok(name, "present");
  if (answer === false) {
    return found.problem(name, {
      text: "missing",
      follows: "sensors that need it are left out; without the process sensor nothing runs",
      hint: `use ${need}`,
    });
  }
  found.warning(name, {
    text: `not known: ${answer}`,
    follows: "the agent finds out when it starts",
    hint: "run shrike doctor as root of the host",
  });
}

function checkLockdown(files: HostFiles, found: TopicFindings): void {
  const text = files.readText("/sys/kernel/security/lockdown");
  const level = /\[(\w+)\]/.exec(text ?? "")?.[1];
  if (level === "confidentiality") {
    return found.problem("lockdown", {
      text: level,
      follows: "the kernel refuses programs that read its memory: the agent cannot start",
      hint: "boot with lockdown=integrity or without; Secure Boot may switch it on",
    });
  }
  found.ok("lockdown", level ?? "not told: no lockdown LSM, or securityfs is not mounted");
}

function checkLsm(files: HostFiles, found: TopicFindings): void {
  const list = files.readText("/sys/kernel/security/lsm")?.trim();
  if (list === undefined) return found.ok("LSMs", "not told: securityfs is not mounted");
  const hasBpf = list.split(",").includes("bpf");
  found.ok("LSMs", hasBpf ? list : `${list}; without bpf nothing can be prevented by BPF`);
}

function checkSettings({ files, mayUsePerf }: KernelCheck, found: TopicFindings): void {
  const read = (name: string) => files.readText(`/proc/sys/kernel/${name}`)?.trim();
  const paranoid = read("perf_event_paranoid");
  if (paranoid === undefined) {
    found.problem("perf_event_paranoid", {
      text: "the kernel has no perf events",
      follows: "there are no rings to bring records to user space",
      hint: "use a kernel built with CONFIG_PERF_EVENTS",
    });
  } else if (Number(paranoid) >= PARANOID_CLOSED && !mayUsePerf) {
    found.problem("perf_event_paranoid", {
      text: `${paranoid}, and this process lacks CAP_PERFMON`,
      follows: "perf rings cannot be opened",
      hint: "give CAP_PERFMON, or sysctl kernel.perf_event_paranoid=2",
    });
  } else {
    found.ok("perf_event_paranoid", `${paranoid}, of no effect with CAP_PERFMON`);
  }
  const unprivileged = read("unprivileged_bpf_disabled");
  const meaning = { "0": "every user may load some programs", "1": "for good until reboot" };
  if (unprivileged !== undefined) {
    const words = meaning[unprivileged as "0" | "1"] ?? "needs CAP_BPF";
    found.ok("unprivileged_bpf_disabled", `${unprivileged}: ${words}`);
  }
  const jit = files.readText("/proc/sys/net/core/bpf_jit_enable")?.trim();
  if (jit === "0") {
    found.warning("bpf_jit_enable", {
      text: "0: programs are interpreted",
      follows: "every exec, fork and exit costs several times more",
      hint: "sysctl net.core.bpf_jit_enable=1",
    });
  }
}

/** Reading one of these takes a microsecond and more, and records have two times each. */
const SLOW_CLOCKS = ["hpet", "acpi_pm", "pit", "jiffies", "refined-jiffies"];

function checkClockSource(files: HostFiles, found: TopicFindings): void {
  const folder = "/sys/devices/system/clocksource/clocksource0";
  const source = files.readText(`${folder}/current_clocksource`)?.trim();
  if (source === undefined) return;
  if (!SLOW_CLOCKS.includes(source)) return found.ok("clock source", source);
  found.warning("clock source", {
    text: `${source} is slow to read`,
    follows: "each record costs more, and programs that ask for the time do, too",
    hint: "see why the kernel gave up its faster one: dmesg | grep -i clocksource",
  });
}
