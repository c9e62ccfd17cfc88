/**
 * IP addresses of records as text.
 *
 * @module
 */

const AF_INET = 2;
const AF_INET6 = 10;
const SIZE = 16;
const MAPPED_SIZE = 12;

/** The address at `at`, IPv4 mapped into IPv6; "" when `family` has no such addresses. */
export function ipAddressText(view: DataView, at: number, family: number): string {
  if (family === AF_INET) return ipv4Text(view, at + MAPPED_SIZE);
  if (family !== AF_INET6) return "";
  const isMapped = view.getBigUint64(at) === 0n && view.getUint32(at + 8) === 0xffff;
  return isMapped ? `::ffff:${ipv4Text(view, at + MAPPED_SIZE)}` : ipv6Text(view, at);
}

/** The IPv4 address at `at`. */
export function ipv4Text(view: DataView, at: number): string {
  return [0, 1, 2, 3].map((i) => view.getUint8(at + i)).join(".");
}

/**
 * The IPv6 address at `at`, as RFC 5952 wants it: the longest run of two or more zeros, the
 * first of equals, is "::".
 */
export function ipv6Text(view: DataView, at: number): string {
  const groups = Array.from({ length: SIZE / 2 }, (_, i) => view.getUint16(at + 2 * i));
  let [start, size] = [0, 1];
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > size) [start, size] = [i, end - i];
  }
  const text = (list: readonly number[]) => list.map((group) => group.toString(16)).join(":");
  if (size < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + size))}`;
}
