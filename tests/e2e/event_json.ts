/**
 * The JSON lines of `shrike run -o json`, as far as tests look into them.
 *
 * @module
 */

/** `process`, `parent` and `ancestors[]`. */
export interface ProcessJson {
  readonly exec_id: string;
  readonly pid: number;
  readonly tid: number;
  readonly uid: number;
  readonly cwd?: string;
  readonly binary: string;
  readonly arguments?: string;
  readonly argv?: readonly string[];
  readonly raw?: { readonly argv?: readonly string[] };
  readonly flags: string;
  readonly start_time: string;
  readonly parent_exec_id?: string;
}

/** Body of an event about a process. */
export interface ProcessEventJson {
  readonly process: ProcessJson;
  readonly parent?: ProcessJson;
  readonly signal?: string;
  readonly status?: number;
  readonly marks?: readonly string[];
}

/** Body of a gap. 64-bit numbers are strings. */
export interface GapJson {
  readonly cause: string;
  readonly kind?: string;
  readonly cpu?: number;
  readonly count: string;
  readonly first_time: string;
  readonly last_time: string;
}

/** One line. */
export interface EventJson {
  readonly process_exec?: ProcessEventJson;
  readonly process_exit?: ProcessEventJson;
  readonly process_fork?: ProcessEventJson;
  readonly gap?: GapJson;
  readonly node_name: string;
  readonly time: string;
}

/** Parses lines; each must be whole. */
export function parseLines(text: string): EventJson[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    try {
      return JSON.parse(line);
    } catch (cause) {
      throw new Error(`Cannot parse line "${line}"`, { cause });
    }
  });
}

/** The exec of the process whose arguments contain `argument`. */
export function execWith(argument: string): (event: EventJson) => boolean {
  return ({ process_exec: exec }) => exec?.process.argv?.includes(argument) ?? false;
}

/** The exit of the image with this exec_id. */
export function exitOf(exec: ProcessEventJson): (event: EventJson) => boolean {
  return ({ process_exit: exit }) => exit?.process.exec_id === exec.process.exec_id;
}

/** Records that gaps of the stream speak of, by kind; "" for gaps that do not know it. */
export function countGaps(events: readonly EventJson[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { gap } of events) {
    if (gap === undefined) continue;
    const kind = gap.kind ?? "";
    counts.set(kind, (counts.get(kind) ?? 0) + Number(gap.count));
  }
  return counts;
}
