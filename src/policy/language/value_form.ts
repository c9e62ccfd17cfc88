/**
 * Values of conditions: how each kind is written and what it becomes.
 *
 * @module
 */
import type { Network, NumberRange } from "../model.ts";
import { type Architecture, syscallName, syscallNumber } from "../syscalls.ts";
import { errnoValue } from "./errno_names.ts";
import type { Words } from "./kernel_words.ts";

/** What the values of an operator are. */
export type ValueForm =
  /** `isPath`: the path of a file as the kernel resolves it. */
  | { readonly kind: "text"; readonly isPath?: true }
  | NumberForm
  | { readonly kind: "port" }
  | { readonly kind: "address" }
  /** "public", "loopback": see `address_classes.ts`. */
  | { readonly kind: "class" };

/** Whole numbers of a size, with names for some of them. */
export interface NumberForm {
  readonly kind: "number";
  readonly bits: number;
  readonly isSigned: boolean;
  readonly words?: Words;
  /** Names of system calls are numbers too. */
  readonly hasSyscalls?: true;
  /** What there is instead of plain numbers: "a capability". */
  readonly name?: string;
}

/** A value that cannot be used, with the reason. */
export class BadValue {
  constructor(
    /** Behind the value in quotes: "is no number". */
    readonly state: string,
    readonly hint: string,
  ) {}
}

/** -1, 42, 0x2a, 0o52. */
const NUMBER = /^([-+]?)(0x[0-9a-f]{1,16}|0o[0-7]{1,22}|0b[01]{1,64}|[0-9]{1,20})$/i;

/** A number or one of the form's words. */
export function parseNumber(
  text: string,
  form: NumberForm,
  architecture: Architecture,
): bigint | BadValue {
  const word = form.words?.get(text);
  if (word !== undefined) return word;
  if (form.hasSyscalls && /^[_a-z]/.test(text)) return parseSyscall(text, architecture);
  const error = form.isSigned ? errnoValue(text) : undefined;
  if (error !== undefined && text.startsWith("-")) return BigInt(error);
  const match = NUMBER.exec(text);
  if (match === null) {
    const name = form.name ?? "number";
    return new BadValue(`is no ${name}`, wordHint(form));
  }
  const number = match[1] === "-" ? -BigInt(match[2]!) : BigInt(match[2]!);
  const { first, last } = bounds(form);
  if (number >= first && number <= last) return number;
  return new BadValue(
    `does not fit ${form.bits} bits ${form.isSigned ? "with" : "without"} sign`,
    `it is ${first} to ${last}`,
  );
}

/** "5" or "5:10". */
export function parseRange(
  text: string,
  form: NumberForm,
  architecture: Architecture,
): NumberRange | BadValue {
  const parts = text.split(":");
  if (parts.length > 2) return new BadValue("is no range", "write FIRST:LAST");
  const first = parseNumber(parts[0]!, form, architecture);
  if (first instanceof BadValue) return first;
  const last = parts.length === 1 ? first : parseNumber(parts[1]!, form, architecture);
  if (last instanceof BadValue) return last;
  if (first > last) return new BadValue("ends before it begins", "write the lower number first");
  return { first, last };
}

/** Lowest and highest number of a form. */
export function bounds({ bits, isSigned }: NumberForm): NumberRange {
  const size = 1n << BigInt(bits);
  return isSigned ? { first: -size / 2n, last: size / 2n - 1n } : { first: 0n, last: size - 1n };
}

/** "10.0.0.0/8", "::1": 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export function parseNetwork(text: string): Network | BadValue {
  const match = /^([0-9a-fA-F.:]{2,45})(?:\/([0-9]{1,3}))?$/.exec(text);
  const address = match === null ? undefined : parseAddress(match[1]!);
  if (match === null || address === undefined) {
    return new BadValue("is no address", "write such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32");
  }
  const { bytes, isV4 } = address;
  const width = isV4 ? 32 : 128;
  const bits = match[2] === undefined ? width : Number(match[2]);
  if (bits > width) return new BadValue(`has more than ${width} bits`, `write /0 to /${width}`);
  const total = isV4 ? bits + 96 : bits;
  return { address: masked(bytes, total), bits: total };
}

function parseAddress(text: string): { bytes: Uint8Array; isV4: boolean } | undefined {
  if (!text.includes(":")) {
    const parts = parseV4(text);
    if (parts === undefined) return undefined;
    return { bytes: new Uint8Array([...new Array(10).fill(0), 255, 255, ...parts]), isV4: true };
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(parseGroups);
  if (head === undefined) return undefined;
  if (halves.length === 1) {
    return head.length === 16 ? { bytes: new Uint8Array(head), isV4: false } : undefined;
  }
  if (tail === undefined || head.length + tail.length > 14) return undefined;
  const gap = new Array(16 - head.length - tail.length).fill(0);
  return { bytes: new Uint8Array([...head, ...gap, ...tail]), isV4: false };
}

function parseV4(text: string): number[] | undefined {
  const parts = text.split(".");
  const isGood = parts.length === 4 &&
    parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256);
  return isGood ? parts.map(Number) : undefined;
}

/** Bytes of "2001:db8" and of "ffff:192.0.2.1"; nothing for "". */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes(".")) {
      const parts = parseV4(group);
      if (parts === undefined) return undefined;
      bytes.push(...parts);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return undefined;
  }
  return bytes.length > 16 ? undefined : bytes;
}

function masked(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(Math.max(bits - i * 8, 0), 8)) & 0xff);
}

function parseSyscall(text: string, architecture: Architecture): bigint | BadValue {
  const name = syscallName(text);
  if (name === undefined) return new BadValue("is no system call", "write such as sys_openat");
  const number = syscallNumber(name, architecture);
  if (number !== undefined) return BigInt(number);
  return new BadValue(`is no system call of ${architecture}`, "take it away on this machine");
}

function wordHint(form: NumberForm): string {
  const [first] = form.words?.keys() ?? [];
  if (first !== undefined) return `write its name, such as ${first}, or its number`;
  if (form.hasSyscalls) return "write its number, its name such as sys_openat, or list:NAME";
  return "write such as 42 or 0x2a";
}
