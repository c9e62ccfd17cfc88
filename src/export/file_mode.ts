/**
 * Types and rights of files as ls(1) writes them.
 *
 * @module
 */

const TYPES: Readonly<Record<number, string>> = {
  0o14: "s",
  0o12: "l",
  0o10: "-",
  0o06: "b",
  0o04: "d",
  0o02: "c",
  0o01: "p",
};
const TYPE_SHIFT = 12;

/** "-rwsr-xr-x" for 0104755. */
export function fileModeText(mode: number): string {
  const type = TYPES[mode >> TYPE_SHIFT] ?? "?";
  const user = rights(mode >> 6, (mode & 0o4000) !== 0, "s");
  const group = rights(mode >> 3, (mode & 0o2000) !== 0, "s");
  return type + user + group + rights(mode, (mode & 0o1000) !== 0, "t");
}

function rights(bits: number, isSpecial: boolean, special: string): string {
  const runs = (bits & 1) !== 0;
  const end = isSpecial ? (runs ? special : special.toUpperCase()) : runs ? "x" : "-";
  return ((bits & 4) !== 0 ? "r" : "-") + ((bits & 2) !== 0 ? "w" : "-") + end;
}
