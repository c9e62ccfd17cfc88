/**
 * The `arguments` string of Tetragon's process: argv[1..] in one line.
 *
 * @module
 */
import type { Text } from "../events/mod.ts";

/**
 * argv without argv[0], joined by single spaces; an argument with a space in it, and one without
 * any character, stands in double quotes. Nothing is escaped, so it cannot be taken apart again:
 * that is what `argv` is for.
 */
export function argumentsText(argv: readonly Text[]): string {
  let text = "";
  for (let index = 1; index < argv.length; index++) {
    const argument = argv[index]?.text ?? "";
    const shown = argument === "" || argument.includes(" ") ? `"${argument}"` : argument;
    text += index === 1 ? shown : ` ${shown}`;
  }
  return text;
}
