/**
 * The unit file for one installation.
 *
 * @module
 */
import { formatSize } from "../config/mod.ts";
import { InstallError } from "./install_error.ts";

/** First words of every unit file of ours, also of the one in the sources. */
const OURS = /^# shrike as a service/;

const HEADER =
  `# shrike as a service, written by "shrike install", which writes it again: changes belong
# into a drop-in (systemctl edit shrike).
# The events go to the journal; settings to /etc/shrike/config.yaml.
`;

/** What the unit is adapted to. */
export interface UnitSettings {
  /** Path of the executable. */
  readonly executable: string;
  /** MemoryMax=, bytes. */
  readonly memoryMax: number;
}

/** Where memory is taken back instead of given: as 512M is of 768M. */
const MEMORY_HIGH_SHARE = 2 / 3;
const KIB = 1024;

/**
 * The unit of the sources with paths and limits of this installation.
 *
 * @throws {InstallError} it is not the unit that this program was made with
 */
export function adaptUnit(text: string, { executable, memoryMax }: UnitSettings): string {
  const body = text.slice(text.indexOf("\n\n") + 1);
  const memoryHigh = Math.floor(memoryMax * MEMORY_HIGH_SHARE / KIB) * KIB;
  let unit = HEADER + body;
  for (
    const [key, value] of [
      ["ExecStart", `${executable} run --output json`],
      ["MemoryHigh", formatSize(memoryHigh)],
      ["MemoryMax", formatSize(memoryMax)],
    ] as const
  ) {
    const line = new RegExp(`^${key}=.*$`, "m");
    if (!line.test(unit)) {
      throw new InstallError(
        `adapt "shrike.service"`,
        `it has no ${key}=`,
        "use an executable as it was built",
      );
    }
    unit = unit.replace(line, () => `${key}=${value}`);
  }
  return unit;
}

/** Whether a unit file comes from us. */
export function isOurUnit(text: string): boolean {
  return OURS.test(text);
}

/** The executable a unit file of ours names. */
export function executableOf(unit: string): string | undefined {
  return /^ExecStart=(\/\S*\/shrike) run/m.exec(unit)?.[1];
}
