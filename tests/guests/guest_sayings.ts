/**
 * What the scripts of guests say.
 *
 * @module
 */

/** Words with their values, of lines `@ WORD VALUE`. */
export function sayingsIn(output: string): Map<string, string> {
  const said = new Map<string, string>();
  for (const [, word = "", value = ""] of output.matchAll(/^@ (\w+) ?(.*)$/gm)) {
    said.set(word, value.trim());
  }
  return said;
}
