/**
 * Addresses of records as text, the same for one address wherever it comes from.
 *
 * @module
 */

const GROUP_COUNT = 8;
const MAPPED_AT = 10;

/** The four bytes at `at`. */
export function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/**
 * The sixteen bytes at `at` as RFC 5952 wants them: the longest run of two or more zeros, the first
 * of equals, is "::". IPv4 that is mapped into IPv6 is IPv4.
 */
export function ipv6Text(bytes: Uint8Array, at: number): string {
  if (isMapped(bytes, at)) return ipv4Text(bytes, at + MAPPED_AT + 2);
  let [start, size] = [GROUP_COUNT, 1];
  for (let i = 0; i < GROUP_COUNT; i++) {
    let end = i;
    while (end < GROUP_COUNT && group(bytes, at, end) === 0) end++;
    if (end - i > size) [start, size] = [i, end - i];
    if (end > i) i = end;
  }
  let text = "";
  for (let i = 0; i < GROUP_COUNT; i++) {
    if (i === start) {
      text += "::";
      i += size - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += group(bytes, at, i).toString(16);
  }
  return text;
}

function group(bytes: Uint8Array, at: number, index: number): number {
  return bytes[at + 2 * index]! << 8 | bytes[at + 2 * index + 1]!;
}

function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAPPED_AT; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + MAPPED_AT] === 0xff && bytes[at + MAPPED_AT + 1] === 0xff;
}
