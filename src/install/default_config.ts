/**
 * The config file of a new installation: every setting with its default, commented out.
 *
 * @module
 */
import { type ConfigOption, OPTIONS } from "../config/mod.ts";

const HEADER =
  `# Settings of shrike. All stand at their defaults: remove "# " in front of a key to change it.
# Then: systemctl restart shrike
`;

/** The text, made from the table of options. */
export function defaultConfigText(): string {
  const sections = new Map<string, string[]>();
  for (const option of Object.values(OPTIONS) as ConfigOption<unknown>[]) {
    const [section, word] = option.key?.split(".") ?? [];
    if (section === undefined || word === undefined) continue;
    const lines = sections.get(section) ?? [];
    sections.set(section, [...lines, ...describe(option), `  # ${word}: ${valueText(option)}`]);
  }
  return HEADER +
    [...sections].map(([section, lines]) =>
      `\n${section}:\n${lines.map((line) => `${line}\n`).join("")}`
    ).join("");
}

function describe({ help, type, initialText }: ConfigOption<unknown>): string[] {
  const allowed = type.allowed === "true or false" ? "" : ` (${type.allowed})`;
  const standard = initialText === undefined ? "" : `; default: ${initialText}`;
  return [`  # ${help}${allowed}${standard}`];
}

function valueText({ type, initial, isList }: ConfigOption<unknown>): string {
  if (isList) return "[]";
  return initial === undefined ? type.placeholder || "<true|false>" : type.format(initial);
}

/** Whether a config file sets nothing: only comments and empty sections. */
export function setsNothing(text: string): boolean {
  return text.split("\n").every((line) => /^\s*(#.*)?$|^\w+:\s*(#.*)?$/.test(line));
}
