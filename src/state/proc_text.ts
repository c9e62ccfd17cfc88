/**
 * Parsers of the files below /proc/PID.
 *
 * @module
 */
import type { Credentials, Text } from "../events/mod.ts";
import { textFromBytes } from "./text.ts";

/** What the scan takes from /proc/PID/stat. */
export interface ProcStat {
  readonly state: string;
  readonly parentTgid: number;
  readonly isKernelThread: boolean;
  readonly threads: number;
  readonly startTicks: bigint;
}

/** What the scan takes from /proc/PID/status. */
export interface ProcStatus {
  readonly tgid: number;
  readonly namespaceTgid: number;
  readonly pidNsLevel: number;
  readonly ids: Pick<
    Credentials,
    "uid" | "euid" | "suid" | "fsuid" | "gid" | "egid" | "sgid" | "fsgid"
  >;
  readonly capabilities: Pick<
    Credentials,
    "capInheritable" | "capPermitted" | "capEffective" | "capAmbient"
  >;
}

/** PF_KTHREAD of include/linux/sched.h. */
const PF_KTHREAD = 0x00200000;

const decoder = new TextDecoder("latin1");

/**
 * Reads /proc/PID/stat; undefined when it is not one. The name in field 2 may hold spaces,
 * parentheses and newlines, so fields are counted from the last `)`.
 */
export function parseStat(bytes: Uint8Array): ProcStat | undefined {
  const text = decoder.decode(bytes);
  const fields = text.slice(text.lastIndexOf(")") + 2).trimEnd().split(" ");
  const [state, parentTgid] = fields;
  const flags = Number(fields[6]);
  const startTicks = fields[19];
  if (state === undefined || startTicks === undefined || !/^\d+$/.test(startTicks)) {
    return undefined;
  }
  return {
    state,
    parentTgid: Number(parentTgid),
    isKernelThread: (flags & PF_KTHREAD) !== 0,
    threads: Number(fields[17]),
    startTicks: BigInt(startTicks),
  };
}

/** Whether nothing of the process runs any more; a leader may end before its threads. */
export function hasEnded({ state, threads }: ProcStat): boolean {
  return (state === "Z" || state === "X") && threads <= 1;
}

/**
 * Reads /proc/PID/status; undefined when it has no ids. Names in it are escaped, lines are safe.
 */
export function parseStatus(bytes: Uint8Array): ProcStatus | undefined {
  const text = decoder.decode(bytes);
  const uids = numbers(text, "Uid");
  const gids = numbers(text, "Gid");
  const tgid = numbers(text, "Tgid")[0];
  const inNamespaces = numbers(text, "NSpid");
  const [uid, euid, suid, fsuid] = uids;
  const [gid, egid, sgid, fsgid] = gids;
  if (
    tgid === undefined || uid === undefined || euid === undefined || suid === undefined ||
    fsuid === undefined || gid === undefined || egid === undefined || sgid === undefined ||
    fsgid === undefined
  ) return undefined;
  return {
    tgid,
    namespaceTgid: inNamespaces.at(-1) ?? tgid,
    pidNsLevel: Math.max(0, inNamespaces.length - 1),
    ids: { uid, euid, suid, fsuid, gid, egid, sgid, fsgid },
    capabilities: {
      capInheritable: capabilities(text, "CapInh"),
      capPermitted: capabilities(text, "CapPrm"),
      capEffective: capabilities(text, "CapEff"),
      capAmbient: capabilities(text, "CapAmb"),
    },
  };
}

/**
 * Splits NUL-terminated strings. A process that overwrites its title leaves the rest of its old
 * arguments as NULs, so a tail of two or more empty strings is dropped.
 */
export function parseStrings(bytes: Uint8Array): Text[] {
  const texts: Text[] = [];
  let from = 0;
  while (from < bytes.length) {
    const nul = bytes.indexOf(0, from);
    const to = nul < 0 ? bytes.length : nul;
    texts.push(textFromBytes(bytes.subarray(from, to)));
    from = to + 1;
  }
  if (texts.at(-1)?.text === "" && texts.at(-2)?.text === "") {
    while (texts.at(-1)?.text === "") texts.pop();
  }
  return texts;
}

/** The number in "net:[4026531840]"; 0 when it is not of that form. */
export function parseNamespaceLink(link: string): number {
  const open = link.lastIndexOf("[");
  const inode = Number(link.slice(open + 1, -1));
  return open < 0 || !Number.isInteger(inode) ? 0 : inode;
}

/** An unsigned number in a file of its own, such as loginuid; undefined when it is none. */
export function parseNumber(bytes: Uint8Array): number | undefined {
  const text = decoder.decode(bytes).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function line(text: string, name: string): string {
  const at = text.indexOf(`\n${name}:`);
  if (at < 0) return "";
  const from = at + name.length + 2;
  const to = text.indexOf("\n", from);
  return text.slice(from, to < 0 ? undefined : to).trim();
}

function numbers(text: string, name: string): number[] {
  const value = line(text, name);
  return value === "" ? [] : value.split(/\s+/).map(Number);
}

function capabilities(text: string, name: string): bigint {
  const value = line(text, name);
  return /^[0-9a-f]+$/.test(value) ? BigInt(`0x${value}`) : 0n;
}
