/**
 * Values of options as people write them: the same text means the same in a file, in the
 * environment and on the command line.
 *
 * @module
 */
import { nearestWord, quote } from "../telemetry/mod.ts";

/** Why a text is not a value of its option. */
export class Rejected {
  /** State found, such as `"many" is not a whole number`. */
  readonly reason: string;
  /** What to write instead. */
  readonly hint: string;

  constructor(reason: string, hint: string) {
    this.reason = reason;
    this.hint = hint;
  }
}

/** How texts become values of type T. */
export interface ValueType<T> {
  /** What stands behind the flag in the help, such as "<n>"; "" for switches. */
  readonly placeholder: string;
  /** What is allowed, for hints and help. */
  readonly allowed: string;
  /** The only words allowed, when there is a list. */
  readonly choices?: readonly string[];
  /** Completed by the shell as a file name. */
  readonly isFile?: boolean;
  parse(text: string): T | Rejected;
  /** The value as `parse()` would read it. */
  format(value: T): string;
}

/** A whole number from `min` to `max`. */
export function integer(
  { min, max, powerOfTwo = false }: { min: number; max: number; powerOfTwo?: boolean },
): ValueType<number> {
  const what = powerOfTwo ? "a power of two" : "a whole number";
  const allowed = `${what} from ${min} to ${max}`;
  return {
    placeholder: "<n>",
    allowed,
    parse: (text) => {
      if (!/^[+-]?\d+$/.test(text)) return rejected(text, "is not a whole number", allowed);
      return within(text, Number(text), { min, max, powerOfTwo, allowed });
    },
    format: String,
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
};

/** A number of bytes: 65536, 64K, 4M, 4MiB. K, M and G are powers of 1024. */
export function size(
  { min, max, powerOfTwo = false }: { min: number; max: number; powerOfTwo?: boolean },
): ValueType<number> {
  const note = powerOfTwo ? ", a power of two" : "";
  const allowed = `a size from ${formatSize(min)} to ${formatSize(max)}${note}, such as 4M`;
  return {
    placeholder: "<size>",
    allowed,
    parse: (text) => {
      const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(text);
      if (match === null) return rejected(text, "is not a size", allowed);
      const bytes = Number(match[1]) * SIZE_UNITS[match[2]!.toUpperCase()]!;
      if (!Number.isInteger(bytes)) {
        return rejected(text, "is not a whole number of bytes", allowed);
      }
      return within(text, bytes, { min, max, powerOfTwo, allowed });
    },
    format: formatSize,
  };
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time span with its unit: 250ms, 10s, 2m, 1h, 1d. The value is in ms. */
export function duration({ min, max }: { min: number; max: number }): ValueType<number> {
  const allowed = `a time from ${formatDuration(min)} to ${formatDuration(max)}, such as 10s`;
  return {
    placeholder: "<time>",
    allowed,
    parse: (text) => {
      if (/^\d+(\.\d+)?$/.test(text)) return rejected(text, "has no unit", allowed);
      const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
      if (match === null) return rejected(text, "is not a time span", allowed);
      const ms = Number(match[1]) * DURATION_UNITS[match[2]!]!;
      if (!Number.isInteger(ms)) return rejected(text, "is finer than a millisecond", allowed);
      return within(text, ms, { min, max, powerOfTwo: false, allowed });
    },
    format: formatDuration,
  };
}

/** true or false; the flag alone means true. */
export function boolean(): ValueType<boolean> {
  const allowed = "true or false";
  return {
    placeholder: "",
    allowed,
    choices: ["true", "false"],
    parse: (text) =>
      text === "true" ||
      (text === "false" ? false : rejected(text, "is not true or false", allowed)),
    format: String,
  };
}

/** One word of a list. */
export function choice<const Word extends string>(words: readonly Word[]): ValueType<Word> {
  const allowed = words.join(", ");
  return {
    placeholder: `<${words.join("|")}>`,
    allowed: `one of ${allowed}`,
    choices: words,
    parse: (text) => {
      const word = words.find((word) => word === text);
      if (word !== undefined) return word;
      const nearest = nearestWord(text, words);
      const meant = nearest === undefined ? "" : `did you mean ${nearest}? `;
      return new Rejected(`${quote(text)} is not known`, `${meant}allowed: ${allowed}`);
    },
    format: String,
  };
}

/** Text that matches `pattern`; `allowed` says the pattern in words. */
export function text(
  { placeholder, pattern = /^[^\0]+$/s, allowed, isFile = false }: {
    placeholder: string;
    pattern?: RegExp;
    allowed: string;
    isFile?: boolean;
  },
): ValueType<string> {
  return {
    placeholder,
    allowed,
    isFile,
    parse: (text) => pattern.test(text) ? text : rejected(text, "is not usable here", allowed),
    format: String,
  };
}

/** 4194304 as "4M"; only units that divide it. */
export function formatSize(bytes: number): string {
  for (const unit of ["G", "M", "K"]) {
    const factor = SIZE_UNITS[unit]!;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** 120000 as "2m"; only units that divide it. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"]) {
    const factor = DURATION_UNITS[unit]!;
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly powerOfTwo: boolean;
  readonly allowed: string;
}

function within(text: string, value: number, bounds: Bounds): number | Rejected {
  if (value < bounds.min) return rejected(text, "is too small", bounds.allowed);
  if (value > bounds.max) return rejected(text, "is too big", bounds.allowed);
  if (bounds.powerOfTwo && !Number.isInteger(Math.log2(value))) {
    return rejected(text, "is not a power of two", bounds.allowed);
  }
  return value;
}

function rejected(text: string, state: string, allowed: string): Rejected {
  return new Rejected(`${quote(text)} ${state}`, `use ${allowed}`);
}
