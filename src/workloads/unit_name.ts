/**
 * Names of systemd units as they stand in cgroup paths.
 *
 * @module
 */

/** UNIT_NAME_MAX of systemd is 256 with the closing NUL. */
const UNIT_NAME_LENGTH_MAX = 255;

/** Unit types that get a cgroup of their own. */
const UNIT_TYPES = "service|scope|slice|mount|socket|swap";
const UNIT_PATTERN = new RegExp(
  `^(?<prefix>[\\w:.\\\\-]+)(?<instance>@[\\w:.\\\\@-]*)?\\.(?<type>${UNIT_TYPES})$`,
);

/** Types of units that own a cgroup. */
export type UnitType = "service" | "scope" | "slice" | "mount" | "socket" | "swap";

/** A unit name taken apart. */
export interface UnitName {
  /** As systemctl prints it. */
  readonly name: string;
  readonly type: UnitType;
  /** "user@.service" of "user@1000.service". */
  readonly template?: string;
  /** Text after "@", unescaped. */
  readonly instance?: string;
}

/**
 * The unit a cgroup directory belongs to; undefined when it is no unit's. systemd puts "_" before
 * names that the kernel or its own rules reserve, such as "_cpu.service"; it is taken off again.
 */
export function parseUnitName(directory: string): UnitName | undefined {
  const name = directory.startsWith("_") ? directory.slice(1) : directory;
  if (name.length > UNIT_NAME_LENGTH_MAX) return undefined;
  const groups = UNIT_PATTERN.exec(name)?.groups;
  if (groups === undefined) return undefined;
  const type = groups["type"] as UnitType;
  const instance = groups["instance"]?.slice(1);
  if (instance === undefined || instance === "") return { name, type };
  const template = `${groups["prefix"]}@.${type}`;
  return { name, type, template, instance: unescapeUnitText(instance) };
}

/**
 * Turns "\x2d" into "-", as `systemd-escape --unescape` does but for "-", which it takes for "/":
 * a cgroup path does not say whether the text is a path. Sequences that are not UTF-8 stay as they
 * are.
 */
export function unescapeUnitText(text: string): string {
  return text.replace(/(?:\\x[0-9a-fA-F]{2})+/g, (escapes) => {
    const bytes = Uint8Array.from(
      escapes.slice(2).split("\\x"),
      (digits) => Number.parseInt(digits, 16),
    );
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return escapes;
    }
  });
}
