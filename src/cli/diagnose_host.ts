/**
 * What `shrike doctor` does.
 *
 * @module
 */
import { type Config, ConfigError, loadConfig, problemText } from "../config/mod.ts";
import {
  type ConfigSituation,
  encodeExamination,
  type Examination,
  type FindingStatus,
  formatExamination,
  makeBundle,
  writeBundle,
} from "../doctor/mod.ts";
import { describeProgram } from "../host.ts";
import { examineThisHost, hostFiles } from "../host_examination.ts";
import { ExitCode } from "./exit_codes.ts";
import { readConfigFile } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, wantsColor } from "./terminal.ts";

/** As the help of the command says; 1 and 2 mean other things in other commands. */
const EXIT_CODES: Readonly<Record<FindingStatus, ExitCode>> = {
  ok: ExitCode.ok,
  warning: ExitCode.failure,
  problem: ExitCode.usage,
};

/** Examines the host, writes the findings and, when it is asked for, the bundle. */
export async function diagnoseHost(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const { environment } = terminal;
  const { config, situation } = readSettings(typed, environment);
  const examination = await examineThisHost({ config, situation, environment });
  const isColored = wantsColor(config.color, terminal.isStdoutTerminal, environment);
  terminal.writeOut(
    config.doctorFormat === "json"
      ? encodeExamination(examination)
      : formatExamination(examination, { color: isColored }),
  );
  if (config.bundlePath !== undefined) {
    bundle(examination, { path: config.bundlePath, situation, environment });
    terminal.writeError(`shrike: wrote "${config.bundlePath}"; have a look before you send it\n`);
  }
  return EXIT_CODES[examination.verdict];
}

interface Settings {
  readonly config: Config;
  readonly situation: ConfigSituation;
}

/**
 * Mistakes in file and environment are findings, and the rest is examined with defaults; mistakes
 * in the flags of this call are the caller's.
 *
 * @throws {ConfigError}
 */
function readSettings(
  { flags, configPath }: TypedSettings,
  environment: Readonly<Record<string, string>>,
): Settings {
  const withoutFile = loadConfig({ flags, environment: {}, readFile: noFile });
  try {
    const sources = { flags, environment, readFile: readConfigFile };
    const { config, path } = loadConfig({
      ...sources,
      ...(configPath === undefined ? {} : { path: configPath }),
    });
    return { config, situation: { path, problems: [] } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((problem) => ({
      text: problemText(problem),
      hint: problem.hint,
    }));
    return { config: withoutFile.config, situation: { path: configPath, problems } };
  }
}

interface BundleOptions {
  readonly path: string;
  readonly situation: ConfigSituation;
  readonly environment: Readonly<Record<string, string>>;
}

function bundle(
  examination: Examination,
  { path, situation, environment }: BundleOptions,
): void {
  const files = hostFiles();
  const configText = situation.path === undefined ? undefined : files.readText(situation.path);
  const versions = `${JSON.stringify(describeProgram())}\n`;
  const bytes = makeBundle({
    ...{ files, examination, environment, versions, configText },
    release: Deno.osRelease(),
    nowMs: Date.now(),
  });
  writeBundle(path, bytes);
}

function noFile(): never {
  throw Object.assign(new Error("No file is read"), { code: "ENOENT" });
}
