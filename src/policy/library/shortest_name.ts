/**
 * Spellings of a name become one: what `policy_name.bpf.h` makes of the name that exec is given.
 *
 * @module
 */

const [SLASH, DOT] = ["/", "."].map((character) => character.charCodeAt(0));

/**
 * The name from the root on, without "//", "." and ".."; relative ones begin at `directory`. What
 * ".." follows may have been a symbolic link, which nobody knows: it takes the name before it away.
 */
export function shortestName(name: Uint8Array, directory: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = name[0] === SLASH ? [] : split(directory);
  for (const part of split(name)) {
    if (isDots(part, 1)) continue;
    if (isDots(part, 2)) parts.pop();
    else parts.push(part);
  }
  if (parts.length === 0) return Uint8Array.of(SLASH!);
  return Uint8Array.from(parts.flatMap((part) => [SLASH!, ...part]));
}

/** Parts between slashes, without empty ones. */
function split(name: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < name.length;) {
    const slash = name.indexOf(SLASH!, start);
    const end = slash < 0 ? name.length : slash;
    if (end > start) parts.push(name.subarray(start, end));
    start = end + 1;
  }
  return parts;
}

function isDots(part: Uint8Array, count: number): boolean {
  return part.length === count && part.every((byte) => byte === DOT);
}
