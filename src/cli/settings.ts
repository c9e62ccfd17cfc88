/**
 * From what was typed to the checked config, with the log set up.
 *
 * @module
 */
import { statSync } from "node:fs";
import {
  type Config,
  CONFIG_SIZE_MAX,
  loadConfig,
  problemText,
  type ValueChecks,
} from "../config/mod.ts";
import { readTrustedBytes, trustedOwners } from "../files/mod.ts";
import { configureLog, isJournalStream, logOf } from "../telemetry/mod.ts";
import type { TypedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Loads the config and sets up the log with it.
 *
 * @throws {ConfigError}
 */
export function loadSettings(
  { flags, configPath }: TypedSettings,
  terminal: Terminal,
  checks: ValueChecks = {},
): Config {
  const { config, path, warnings } = loadConfig({
    flags,
    environment: terminal.environment,
    ...(configPath === undefined ? {} : { path: configPath }),
    readFile: readConfigFile,
    checks,
  });
  configureLog({
    level: config.logLevel,
    format: config.logFormat,
    isJournal: isJournalStream(terminal.environment["JOURNAL_STREAM"], stderrIdentity()),
    write: (text) => terminal.writeError(text),
  });
  const log = logOf("config");
  if (path !== undefined) log.info('Read "{path}"', { path });
  for (const problem of warnings) {
    log.warn("{problem}", { problem: problemText(problem), hint: problem.hint });
  }
  return config;
}

/**
 * The config decides what is watched and which policies are loaded: it is obeyed only when nobody
 * else may have written it.
 *
 * @throws {UntrustedError}
 */
export function readConfigFile(path: string): Uint8Array {
  return readTrustedBytes(path, { sizeMax: CONFIG_SIZE_MAX, owners: trustedOwners() });
}

function stderrIdentity(): { dev: number; ino: number | null } {
  try {
    return statSync("/proc/self/fd/2");
  } catch {
    return { dev: 0, ino: null };
  }
}
