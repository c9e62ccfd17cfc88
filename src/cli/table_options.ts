/**
 * The option table as commander options, and back: what was typed, by option.
 *
 * @module
 */
import { type Command, Option } from "commander";
import {
  type ConfigOption,
  DEFAULT_CONFIG_PATH,
  environmentName,
  OPTION_GROUPS,
  type OptionCommand,
  type OptionName,
  optionsOf,
} from "../config/mod.ts";

/** An option that the shell may complete as a file name. */
export class CliOption extends Option {
  readonly isFile: boolean;

  constructor(flags: string, description: string, isFile = false) {
    super(flags, description);
    this.isFile = isFile;
  }
}

/** Settings as typed, not yet checked: `src/config/` does that for all sources alike. */
export interface TypedSettings {
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
  /** Value of `--config`. */
  readonly configPath?: string;
}

/** Gives `command` its options of the table and `--config`. */
export function addTableOptions(
  command: Command,
  name: OptionCommand,
  { withConfig = true }: { withConfig?: boolean } = {},
): void {
  const options = optionsOf(name);
  for (const group of OPTION_GROUPS) {
    for (const [, option] of options) {
      if (option.group === group) command.addOption(commanderOption(option));
    }
  }
  if (!withConfig) return;
  command.addOption(
    new CliOption("-c, --config <file>", `Config file (default: ${DEFAULT_CONFIG_PATH})`, true)
      .helpGroup("Agent:"),
  );
}

/** What was typed for the options that `addTableOptions()` gave. */
export function typedSettings(command: Command, name: OptionCommand): TypedSettings {
  const flags = new Map<OptionName, readonly string[]>();
  const typed = command.opts<Record<string, readonly string[] | string | true | undefined>>();
  for (const [optionName, option] of optionsOf(name)) {
    const texts = typed[attributeName(option.flag)];
    if (Array.isArray(texts)) flags.set(optionName, texts);
    else if (texts === true) flags.set(optionName, ["true"]);
  }
  const { config } = typed;
  return typeof config === "string" ? { flags, configPath: config } : { flags };
}

function commanderOption(option: ConfigOption<unknown>): Option {
  const { flag, short, type, isBare } = option;
  // A switch may be written out, so that a flag can turn off what the file turns on.
  const isSwitch = type.placeholder === "";
  const value = isSwitch ? "[true|false]" : type.placeholder;
  const name = `${short === undefined ? "" : `-${short}, `}--${flag}`;
  if (isBare) return new CliOption(name, describe(option)).helpGroup(`${option.group}:`);
  const flags = `${name} ${value}`;
  const made = new CliOption(flags, describe(option), type.isFile === true)
    .helpGroup(`${option.group}:`);
  if (type.choices !== undefined) made.choices(type.choices);
  if (isSwitch) made.preset("true");
  // Every text is kept as typed: the check of the table says more than commander's.
  made.argParser((text: string, before: readonly string[] | undefined) => [...before ?? [], text]);
  return made;
}

function describe({ help, type, initial, initialText, isList }: ConfigOption<unknown>): string {
  if (isList) return `${help} (may be repeated)`;
  if (initialText !== undefined) return `${help} (default: ${initialText})`;
  if (initial === undefined || initial === false) return help;
  return `${help} (default: ${type.format(initial)})`;
}

/** Where the flags stand behind the keys of the config file. */
const KEY_COLUMNS = 30;

/** Commander's name of a flag: dashes make humps. */
function attributeName(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The lines of the help that name the sources of settings, with the keys of the config file. */
export function sourcesHelp(name: OptionCommand): string {
  const sections = new Map<string, string[]>();
  for (const [, { key, flag }] of optionsOf(name)) {
    const [section, word] = key?.split(".") ?? [];
    if (section === undefined || word === undefined) continue;
    const line = `    ${word}:`.padEnd(KEY_COLUMNS) + `# --${flag}`;
    sections.set(section, [...sections.get(section) ?? [], line]);
  }
  return [
    "Config file (YAML):",
    ...[...sections].flatMap(([section, lines]) => [`  ${section}:`, ...lines]),
    "",
    "Settings come from the config file, the environment, the flags; later ones win.",
    `A flag --NAME is the variable ${environmentName("NAME")}; dashes become underscores.`,
  ].join("\n");
}
