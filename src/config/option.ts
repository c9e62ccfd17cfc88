/**
 * What one option of the table is.
 *
 * @module
 */
import type { ValueType } from "./value.ts";

/** Subcommands that take options of the table. */
export type OptionCommand =
  | "run"
  | "ps"
  | "cgroups"
  | "workloads"
  | "top"
  | "policy list"
  | "policy show"
  | "policy add"
  | "policy plan"
  /** delete, enable, disable, set-mode */
  | "policy change"
  | "version"
  | "doctor"
  | "install"
  | "uninstall";

/** Headings in the help, in the order they are shown. */
export const OPTION_GROUPS = [
  "Output",
  "Selection",
  "Process events",
  "Cgroups",
  "Workloads",
  "Network",
  "Metrics",
  "Policies",
  "Capture",
  "Agent",
  "Installation",
] as const;

/** One option. */
export interface ConfigOption<T> {
  /** Name after `--`; `SHRIKE_` and this in capitals is the environment variable. */
  readonly flag: string;
  /** One-letter flag. */
  readonly short?: string;
  /** `section.key` in the config file; options of one call only have none. */
  readonly key?: string;
  readonly group: typeof OPTION_GROUPS[number];
  readonly commands: readonly OptionCommand[];
  readonly type: ValueType<unknown>;
  /** May be given several times; the value is a list. */
  readonly isList: boolean;
  /** Values that one source may give at most, of a list. */
  readonly itemsMax?: number;
  readonly initial: T;
  /** The default in words, when it is not a value. */
  readonly initialText?: string;
  /** A switch that takes no value on the command line: words follow it there. */
  readonly isBare?: boolean;
  /** Its environment variable belongs to another option of the same flag. */
  readonly isFlagOnly?: boolean;
  readonly help: string;
}

/** All but what the maker of the row says itself. */
export type About = Omit<ConfigOption<unknown>, "type" | "isList" | "initial">;

/** An option with a default. */
export function option<T>(type: ValueType<T>, initial: T, about: About): ConfigOption<T> {
  return { ...about, type: type as ValueType<unknown>, isList: false, initial };
}

/** An option without a value of its own until somebody gives one. */
export function optional<T>(type: ValueType<T>, about: About): ConfigOption<T | undefined> {
  return { ...about, type: type as ValueType<unknown>, isList: false, initial: undefined };
}

/** An option that may be given several times. */
export function list<T>(type: ValueType<T>, about: About): ConfigOption<readonly T[]> {
  return { ...about, type: type as ValueType<unknown>, isList: true, initial: [] };
}
