/**
 * The completion script of fish.
 *
 * @module
 */
import type { TreeCommand, TreeOption } from "./command_tree.ts";

/** Makes the script. */
export function fishScript(commands: readonly TreeCommand[]): string {
  const lines = [
    '# fish completion of shrike; made by "shrike completion fish"',
    "complete -c shrike -f",
    "complete -c shrike -n __fish_use_subcommand -s h -l help -d 'Show help'",
    ...commands.flatMap(commandLines),
  ];
  return `${lines.join("\n")}\n`;
}

function commandLines({ name, help, options, words }: TreeCommand): string[] {
  const condition = `-n '__fish_seen_subcommand_from ${name}'`;
  const lines = [
    `complete -c shrike -n __fish_use_subcommand -a ${name} -d ${quote(help)}`,
    ...options.map((option) => `complete -c shrike ${condition} ${optionPart(option)}`),
  ];
  if (words.length > 0) {
    // Once a word stands there it is not offered again.
    const unseen = `-n '__fish_seen_subcommand_from ${name}; and not ` +
      `__fish_seen_subcommand_from ${words.filter((word) => word !== name).join(" ")}'`;
    lines.push(`complete -c shrike ${unseen} -a ${quote(words.join(" "))}`);
  }
  return lines;
}

function optionPart({ flags, help, value, choices, isFile }: TreeOption): string {
  const parts = flags.map((flag) =>
    flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`
  );
  if (value === "required") parts.push(isFile ? "-r -F" : "-x");
  if (choices.length > 0 && value !== "none") parts.push(`-a ${quote(choices.join(" "))}`);
  parts.push(`-d ${quote(help)}`);
  return parts.join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
