/**
 * The whole examination: all topics, in the order of the report.
 *
 * @module
 */
import {
  type CgroupMode,
  type CgroupWalk,
  type Deployment,
  detectCgroupMode,
  detectDeployment,
  type FileHandles,
  type HostFiles,
  type OwnCgroupReport,
  type SubsystemIndexes,
  walkCgroups,
  wholeOwnPath,
} from "../cgroups/mod.ts";
import { checkCgroups } from "./check_cgroups.ts";
import { checkHost, findBpfUsers } from "./check_host.ts";
import { checkKernel, type FeatureAnswer } from "./check_kernel.ts";
import { checkLimits, type Limit } from "./check_limits.ts";
import { checkProgram, type ConfigProblem, type LoadTrial } from "./check_program.ts";
import { checkRights, mayUsePerf, readRights } from "./check_rights.ts";
import { checkRuntimes, type RuntimesLook } from "./check_runtimes.ts";
import { type Finding, type FindingStatus, verdictOf } from "./finding.ts";

/** What the examination looks at; the rooms that know fill it in. */
export interface HostSources {
  readonly files: HostFiles;
  readonly environment: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly nowMs: number;
  readonly handles: FileHandles;
  readonly subsystems: SubsystemIndexes | undefined;
  /** Whether a kernel hook and user space mean the same cgroup; undefined when none ran. */
  readonly proof: OwnCgroupReport | undefined;
  readonly runtimes: RuntimesLook;
  readonly release: string;
  /** `[major, minor]` of `release`. */
  readonly kernelVersion: readonly [number, number];
  readonly architecture: string;
  readonly features: readonly FeatureAnswer[];
  readonly cpuCount: number;
  readonly lockedMemory: Limit;
  readonly openFiles: Limit;
  readonly openFilesNeeded: number;
  readonly program: string;
  readonly trial: LoadTrial;
}

/** The settings the agent would start with. */
export interface ConfigSituation {
  readonly path: string | undefined;
  readonly problems: readonly ConfigProblem[];
}

/** All that was found. */
export interface Examination {
  readonly verdict: FindingStatus;
  readonly findings: readonly Finding[];
  readonly mode: CgroupMode;
  readonly walk: CgroupWalk | null;
  readonly deployment: Deployment;
  readonly runtimes: RuntimesLook;
}

/** Examines the host. Takes some hundred ms, most of it for walks of /proc and cgroups. */
export function examineHost(sources: HostSources, config: ConfigSituation): Examination {
  const { files, environment, pid, kernelVersion, subsystems } = sources;
  const mode = detectCgroupMode({ files, ...(subsystems === undefined ? {} : { subsystems }) });
  const walk = mode.tracked === null ? null : walkCgroups(files, mode.tracked.hierarchy);
  const ownPaths = [...new Set(mode.hierarchies.map(wholeOwnPath))];
  const deployment = detectDeployment({ files, environment, ownPaths, pid });
  const rights = readRights(files);
  const { path: configPath, problems: configProblems } = config;
  const findings = [
    ...checkProgram({ ...sources, configPath, configProblems }),
    ...checkCgroups({ ...sources, mode, walk }),
    ...checkRuntimes(sources.runtimes),
    ...checkKernel({ ...sources, version: kernelVersion, mayUsePerf: mayUsePerf(rights) }),
    ...checkRights(files, rights, kernelVersion),
    ...checkLimits({ ...sources, mode }),
    ...checkHost({ ...sources, deployment, bpfUsers: findBpfUsers(files) }),
  ];
  const { runtimes } = sources;
  return { verdict: verdictOf(findings), findings, mode, walk, deployment, runtimes };
}
