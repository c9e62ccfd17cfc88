/**
 * Input of people in messages.
 *
 * @module
 */

/** Input quoted in messages; longer input is cut, control characters are escaped. */
const QUOTED_LENGTH_MAX = 80;

/** `text` in double quotes, safe for a terminal. */
export function quote(text: string): string {
  const cut = text.length > QUOTED_LENGTH_MAX ? `${text.slice(0, QUOTED_LENGTH_MAX)}...` : text;
  return JSON.stringify(cut).replace(
    // C1 controls, separators and bidirectional marks change how a terminal shows the line.
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
