/**
 * File, environment and flags become one frozen config. Flags win over the environment, the
 * environment wins over the file.
 *
 * @module
 */
import { UntrustedError } from "../files/mod.ts";
import { nearestWord, quote } from "../telemetry/mod.ts";
import { type Config, environmentName, type OptionName, OPTIONS } from "./options.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { readConfigText, type SourceValues } from "./read_file.ts";
import { Rejected } from "./value.ts";

/** Read when it is there and no other file is named. */
export const DEFAULT_CONFIG_PATH = "/etc/shrike/config.yaml";
/** A config is a screen of text; more is another file. */
export const CONFIG_SIZE_MAX = 1024 * 1024;

/** Variables that are ours and no option: the path of the file, and stack traces. */
const OTHER_VARIABLES = ["SHRIKE_CONFIG", "SHRIKE_DEBUG"];
/** Variables of the project's tests and tools. */
const TOOL_VARIABLES = ["SHRIKE_BIN", "SHRIKE_KERNELS", "SHRIKE_SEED"];
/** Variables with these prefixes belong to the launcher, the tests and the benches. */
const FOREIGN_PREFIXES = ["SHRIKE__", "SHRIKE_TEST_", "SHRIKE_BENCH_"];

/** Values that a check of another room refuses, such as a filter with an unknown field. */
export type ValueChecks = Partial<Record<OptionName, (text: string) => Rejected | undefined>>;

/** Where settings come from. */
export interface ConfigSources {
  /** Values of the flags as typed, by option. */
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
  readonly environment: Readonly<Record<string, string>>;
  /** Value of `--config`. */
  readonly path?: string;
  /** @throws {Error} with `code` ENOENT when there is no such file */
  readFile(path: string): Uint8Array;
  readonly checks?: ValueChecks;
}

/** The settings and what is to be said about them. */
export interface LoadedConfig {
  readonly config: Config;
  /** File that was read, if any. */
  readonly path?: string;
  /** Doubts that do not stop the agent, such as unknown variables. */
  readonly warnings: readonly Problem[];
}

/**
 * Reads and checks all sources.
 *
 * @throws {ConfigError} with every mistake found
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: Problem[] = [];
  const { environment } = sources;
  const file = readFile(sources, problems);
  const layers = [
    file.values,
    environmentValues(environment),
    flagValues(sources.flags),
  ];
  const config: Record<string, unknown> = {};
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    config[name] = OPTIONS[name].initial;
    // Weaker layers are checked too: a mistake that a flag hides today is found tomorrow at boot.
    for (const layer of layers) {
      const values = checkLayer(name, layer, { problems, checks: sources.checks ?? {} });
      if (values !== undefined) config[name] = OPTIONS[name].isList ? values : values.at(-1);
    }
    if (Array.isArray(config[name])) Object.freeze(config[name]);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    config: Object.freeze(config) as unknown as Config,
    ...(file.path === undefined ? {} : { path: file.path }),
    warnings: unknownVariables(environment),
  };
}

function checkLayer(
  name: OptionName,
  layer: SourceValues,
  { problems, checks }: { problems: Problem[]; checks: ValueChecks },
): unknown[] | undefined {
  const texts = layer.get(name);
  const { itemsMax = Infinity } = OPTIONS[name];
  const beyond = texts?.[itemsMax];
  if (beyond !== undefined) {
    const { place } = beyond;
    const reason = `${label(name, place)}${texts!.length} values are given`;
    problems.push({ place, reason, hint: `give at most ${itemsMax}` });
  }
  return texts?.map(({ text, place }) => {
    const value = OPTIONS[name].type.parse(text);
    const rejected = value instanceof Rejected ? value : checks[name]?.(text);
    if (rejected !== undefined) {
      problems.push({
        place,
        reason: `${label(name, place)}${rejected.reason}`,
        hint: rejected.hint,
      });
    }
    return value;
  });
}

/** The key, for places that are only a position. */
function label(name: OptionName, place: string): string {
  const { key } = OPTIONS[name];
  return /:\d+:\d+$/.test(place) && key !== undefined ? `${key} ` : "";
}

function readFile(
  { path: flagPath, environment, readFile }: ConfigSources,
  problems: Problem[],
): { values: SourceValues; path?: string } {
  const named = flagPath ?? (environment["SHRIKE_CONFIG"] || undefined);
  const path = named ?? DEFAULT_CONFIG_PATH;
  const mistake = (reason: string, hint: string) => {
    problems.push({ place: path, reason, hint });
    return { values: new Map(), path };
  };
  let bytes: Uint8Array;
  try {
    bytes = readFile(path);
  } catch (error) {
    if (error instanceof UntrustedError) {
      const { path: place, state: reason, hint } = error;
      problems.push({ place, reason, hint });
      return { values: new Map(), path };
    }
    const code = (error as { code?: string }).code;
    if (named === undefined && code === "ENOENT") return { values: new Map() };
    if (code === "ENOENT") return mistake("no such file", "give the path of a config file");
    const text = error instanceof Error ? error.message.split("\n")[0]! : String(error);
    return mistake(`it cannot be read: ${text}`, "check its mode and kind");
  }
  if (bytes.length > CONFIG_SIZE_MAX) {
    return mistake(
      `it has ${bytes.length} bytes`,
      `use a file of at most ${CONFIG_SIZE_MAX} bytes`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return mistake("it is not UTF-8", "save it as UTF-8");
  }
  return { values: readConfigText(path, text, problems), path };
}

function environmentValues(environment: Readonly<Record<string, string>>): SourceValues {
  const values: SourceValues = new Map();
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const { flag, isList, isFlagOnly } = OPTIONS[name];
    if (isFlagOnly) continue;
    const place = environmentName(flag);
    // Empty means unset: an EnvironmentFile= of systemd has no other way to say so.
    const value = environment[place];
    if (value === undefined || value === "") continue;
    const texts = isList ? value.split("\n").filter((line) => line !== "") : [value];
    values.set(name, texts.map((text) => ({ text, place })));
  }
  return values;
}

function flagValues(flags: ReadonlyMap<OptionName, readonly string[]>): SourceValues {
  const values: SourceValues = new Map();
  for (const [name, texts] of flags) {
    const place = `--${OPTIONS[name].flag}`;
    values.set(name, texts.map((text) => ({ text, place })));
  }
  return values;
}

function unknownVariables(environment: Readonly<Record<string, string>>): Problem[] {
  const known = Object.values(OPTIONS).map(({ flag }) => environmentName(flag))
    .concat(OTHER_VARIABLES);
  return Object.keys(environment)
    .filter((name) => name.startsWith("SHRIKE_") && !known.includes(name))
    .filter((name) => !TOOL_VARIABLES.includes(name))
    .filter((name) => !FOREIGN_PREFIXES.some((prefix) => name.startsWith(prefix)))
    .map((name) => {
      const nearest = nearestWord(name, known);
      return {
        place: name,
        reason: "no option has this name, ignored",
        hint: nearest === undefined
          ? `unset ${quote(name)}; shrike help run lists the options`
          : `did you mean ${nearest}?`,
      };
    });
}
