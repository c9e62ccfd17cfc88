/**
 * Reads what the agent wrote: which execs and exits of a storm are there, and when each line came.
 *
 * @module
 */

/** The parts of an exported process that the benches look at. */
interface ProcessFields {
  readonly exec_id: string;
  readonly pid: number;
  readonly binary?: string;
  readonly flags?: string;
}

interface ProcessBody {
  readonly process: ProcessFields;
  readonly parent?: ProcessFields;
}

/** One line of the JSON output. */
export interface EventLine {
  readonly process_exec?: ProcessBody;
  readonly process_exit?: ProcessBody;
  readonly gap?: { readonly cause?: string; readonly count?: number | string };
  readonly time?: string;
}

/** What arrived of a storm. */
export interface StormEvents {
  /** Different execs seen. */
  readonly execs: number;
  /** Different exits seen. */
  readonly exits: number;
  /** Lines beyond the first of an exec or exit. */
  readonly doubled: number;
  /** Records that gap events say were lost. */
  readonly lost: number;
}

/** One exec event with its time in the kernel and its arrival, CLOCK_REALTIME nanoseconds. */
export interface TimedExec {
  readonly pid: number;
  readonly parentPid: number;
  readonly binary: string;
  readonly live: boolean;
  readonly eventNs: bigint;
  readonly arrivalNs: bigint;
}

/** When the output had reached a size: the line of the stamps file of `arrival`. */
export interface Stamp {
  readonly end: number;
  readonly timeNs: bigint;
}

/** Counts the events of the children that process `stormPid` ran from path `child`. */
export function countStorm(lines: Iterable<string>, stormPid: number, child: string): StormEvents {
  const execs = new Set<string>();
  const exits = new Set<string>();
  let doubled = 0;
  let lost = 0;
  for (const line of lines) {
    const event = JSON.parse(line) as EventLine;
    if (event.gap !== undefined) lost += Number(event.gap.count ?? 1);
    const body = event.process_exec ?? event.process_exit;
    if (body?.process.binary !== child || body.parent?.pid !== stormPid) continue;
    const seen = event.process_exec === undefined ? exits : execs;
    if (seen.has(body.process.exec_id)) doubled++;
    seen.add(body.process.exec_id);
  }
  return { execs: execs.size, exits: exits.size, doubled, lost };
}

/** Whether the line is the exit of a child that process `stormPid` ran from path `child`. */
export function isExitOf(line: string, stormPid: number, child: string): boolean {
  if (!line.includes("process_exit") || !line.includes(child)) return false;
  const body = (JSON.parse(line) as EventLine).process_exit;
  return body?.process.binary === child && body.parent?.pid === stormPid;
}

/** Takes the stamps file of `arrival` apart; the first stamp is the start of the program. */
export function parseStamps(text: string): Stamp[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [end, timeNs] = line.split(" ");
    return { end: Number(end), timeNs: BigInt(timeNs ?? "") };
  });
}

/**
 * Puts the exec lines of an output and the stamps of its pieces together. A line has come when the
 * piece with its newline was read.
 */
export function timeExecs(output: Uint8Array, stamps: readonly Stamp[]): TimedExec[] {
  const decoder = new TextDecoder();
  const execs: TimedExec[] = [];
  let stamp = 0;
  for (let start = 0; start < output.length;) {
    const newline = output.indexOf(10, start);
    if (newline < 0) break;
    while (stamp < stamps.length && (stamps[stamp]?.end ?? 0) <= newline) stamp++;
    const arrivalNs = stamps[stamp]?.timeNs;
    if (arrivalNs === undefined) break;
    const event = JSON.parse(decoder.decode(output.subarray(start, newline))) as EventLine;
    start = newline + 1;
    if (event.process_exec === undefined || event.time === undefined) continue;
    const { process, parent } = event.process_exec;
    execs.push({
      pid: process.pid,
      parentPid: parent?.pid ?? 0,
      binary: process.binary ?? "",
      live: !(process.flags ?? "").split(" ").includes("procFS"),
      eventNs: parseTime(event.time),
      arrivalNs,
    });
  }
  return execs;
}

/** Nanoseconds since 1970 of an RFC 3339 time in UTC with up to nine digits of a second. */
export function parseTime(time: string): bigint {
  const digits = /^(.{19})(?:\.(\d{1,9}))?Z$/.exec(time);
  if (digits === null) {
    throw new Error(`Cannot read time "${time}": not RFC 3339 in UTC`);
  }
  const fraction = BigInt((digits[2] ?? "").padEnd(9, "0"));
  return BigInt(Date.parse(`${digits[1]}Z`)) * 1_000_000n + fraction;
}
