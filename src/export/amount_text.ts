/**
 * Amounts of bytes for people.
 *
 * @module
 */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const STEP = 1024;

/** `950 B`, `1.2 KiB`, `34.5 MiB`; never more than four digits before the point. */
export function amountText(bytes: bigint | number): string {
  let amount = Number(bytes);
  let unit = 0;
  while (amount >= STEP && unit < UNITS.length - 1) {
    amount /= STEP;
    unit++;
  }
  // Rounded down, so that 1023.99 does not become 1024.0.
  const shown = unit === 0 ? String(Math.floor(amount)) : (Math.floor(amount * 10) / 10).toFixed(1);
  return `${shown} ${UNITS[unit]}`;
}
