/**
 * What `shrike install` and `shrike uninstall` do.
 *
 * @module
 */
import { type Config, loadConfig } from "../config/mod.ts";
import { readInstallable } from "../host.ts";
import {
  openServiceControl,
  planInstall,
  planUninstall,
  runSteps,
  type Step,
  type Target,
  TargetFiles,
} from "../install/mod.ts";
import { ExitCode } from "./exit_codes.ts";
import { loadSettings } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

/** Installs this executable as a service. */
export function installProgram(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  // With the file: its memory limit counts, and a service with a broken one would not start.
  const config = loadSettings(typed, terminal);
  const { prefix, memoryMax, enable } = config;
  const target = openTarget();
  const steps = planInstall(target, { ...readInstallable(), prefix, memoryMax, enable });
  return run(steps, config, terminal);
}

/** Takes the installation away. */
export function uninstallProgram({ flags }: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  // Without the file: a broken one must not stand in the way.
  const { environment } = terminal;
  const { config } = loadConfig({ flags, environment, readFile: noFile });
  const { executable } = readInstallable();
  const { prefix, purge } = config;
  return run(planUninstall(openTarget(), { executable, prefix, purge }), config, terminal);
}

function openTarget(): Target {
  return { files: new TargetFiles(), service: openServiceControl() };
}

function run(
  steps: readonly Step[],
  { dryRun }: Config,
  terminal: Terminal,
): Promise<ExitCode> {
  if (dryRun) terminal.writeError("shrike: dry run, nothing is changed\n");
  runSteps(steps, { isDryRun: dryRun, say: (line) => terminal.writeOut(`${line}\n`) });
  return Promise.resolve(ExitCode.ok);
}

function noFile(): never {
  throw Object.assign(new Error("No file is read"), { code: "ENOENT" });
}
