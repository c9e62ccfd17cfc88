/**
 * Whether the program itself is whole, its settings are, and the kernel takes its sensors.
 *
 * @module
 */
import { type Finding, TopicFindings } from "./finding.ts";

/** How a sensor fared when it was loaded for a try. */
export interface SensorTrial {
  readonly sensor: string;
  readonly loaded: boolean;
  /** Why it was left out. */
  readonly reason?: string;
  readonly hint?: string;
  readonly programs: readonly string[];
  readonly leftOut: readonly { readonly program: string; readonly reason: string }[];
}

/** Result of loading everything without attaching it; `error` when nothing could be loaded. */
export type LoadTrial =
  | { readonly sensors: readonly SensorTrial[]; readonly mapMemorySize: number }
  | { readonly error: { readonly message: string; readonly hint: string } };

/** A mistake in the settings. */
export interface ConfigProblem {
  readonly text: string;
  readonly hint: string;
}

/** What is looked at. */
export interface ProgramCheck {
  /** Such as "shrike 0.1.0 (commit), libbpf 1.1"; undefined when a part of it is missing. */
  readonly program: string;
  /** The file that was read, if any. */
  readonly configPath: string | undefined;
  readonly configProblems: readonly ConfigProblem[];
  readonly trial: LoadTrial;
}

export function checkProgram(check: ProgramCheck): Finding[] {
  const { program, configPath, configProblems, trial } = check;
  const found = new TopicFindings("program");
  found.ok("version", program);
  if (configProblems.length === 0) found.ok("config", configPath ?? "defaults, there is no file");
  for (const { text, hint } of configProblems) {
    found.problem("config", { text, follows: "the agent does not start", hint });
  }
  if ("error" in trial) {
    const { message, hint } = trial.error;
    found.problem("load", { text: message, follows: "the agent does not start", hint });
    return found.findings;
  }
  for (const each of trial.sensors) checkSensor(each, found);
  const size = Math.round(trial.mapMemorySize / 1024);
  found.ok("maps", `${size} KiB of kernel memory; nothing was attached for this try`);
  return found.findings;
}

function checkSensor(
  { sensor, loaded, reason, hint, programs, leftOut }: SensorTrial,
  found: TopicFindings,
): void {
  const name = `sensor ${sensor}`;
  if (!loaded) {
    return found.warning(name, {
      text: `cannot be loaded: ${reason ?? "no reason given"}`,
      follows: "the agent runs without its events",
      hint: hint ?? "report it with the log of shrike run --log-level debug",
    });
  }
  found.ok(name, `the kernel takes its ${programs.length} programs: ${programs.join(" ")}`);
  for (const { program, reason } of leftOut) {
    found.warning(`program ${program}`, {
      text: `left out: ${reason}`,
      follows: `sensor ${sensor} does without it`,
      hint: "report it with the log of shrike run --log-level debug",
    });
  }
}
