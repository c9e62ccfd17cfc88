/**
 * The known word a mistyped one most likely meant.
 *
 * @module
 */

/** More edits than this are another word, not a typing mistake. */
const DISTANCE_MAX = 3;
/** Share of letters that must agree; keeps short words from matching anything. */
const SIMILARITY_MIN = 0.4;
/** Longer input is not compared: the cost grows with the product of the lengths. */
const WORD_LENGTH_MAX = 64;

/** The word of `known` nearest to `word`, or undefined when none is near enough. */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const wanted = word.toLowerCase();
  let nearest: string | undefined;
  let nearestDistance = DISTANCE_MAX + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    const length = Math.max(word.length, candidate.length);
    if (distance < nearestDistance && (length - distance) / length > SIMILARITY_MIN) {
      nearest = candidate;
      nearestDistance = distance;
    }
  }
  return nearest;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      let cost = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, beforePrevious[column - 2]! + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
