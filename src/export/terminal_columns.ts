/**
 * Width of text on a terminal, for text that went through `terminal_text.ts`.
 *
 * @module
 */

const ASCII = /^[ -~]*$/;
const MARK = /^\p{M}$/u;
/** East Asian wide and full-width blocks, and emoji drawn as pictures: two columns each. */
const WIDE = new RegExp(
  "^[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff" +
    "\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6\\u{17000}-\\u{18aff}\\u{1b000}-\\u{1b2ff}" +
    "\\u{20000}-\\u{3fffd}\\p{Emoji_Presentation}]$",
  "u",
);

/** Stands for what was cut away; one column. */
export const ELLIPSIS = "…";

/** Columns the text takes: 0 for combining marks, 2 for wide characters. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += columnsOfCharacter(character);
  return columns;
}

/** The text in at most `columns` columns, with an ellipsis at the end when something is missing. */
export function cutToColumns(text: string, columns: number): string {
  if (columns <= 0) return "";
  if (ASCII.test(text)) {
    return text.length <= columns ? text : text.slice(0, columns - 1) + ELLIPSIS;
  }
  if (columnsOf(text) <= columns) return text;
  let kept = "";
  let taken = 0;
  for (const character of text) {
    const next = columnsOfCharacter(character);
    if (taken + next > columns - 1) break;
    kept += character;
    taken += next;
  }
  return kept + ELLIPSIS;
}

/** The same, filled with spaces to exactly `columns`; `left` puts the spaces before the text. */
export function fitToColumns(text: string, columns: number, left = false): string {
  const cut = cutToColumns(text, columns);
  const space = " ".repeat(Math.max(0, columns - columnsOf(cut)));
  return left ? space + cut : cut + space;
}

function columnsOfCharacter(character: string): number {
  if (MARK.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
