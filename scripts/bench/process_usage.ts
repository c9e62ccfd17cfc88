/**
 * What a process uses, as the kernel tells it in /proc.
 *
 * @module
 */

/** sysconf(_SC_CLK_TCK): 100 on every architecture Linux still runs on. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;

/** CPU time of a process with all its threads, also those that ended. */
export interface CpuUsage {
  readonly userMs: number;
  readonly systemMs: number;
}

/** Memory a process holds, bytes. */
export interface MemoryUsage {
  readonly resident: number;
  readonly anonymous: number;
  /** Kernel memory of its BPF maps. */
  readonly bpfMaps: number;
  readonly bpfMapCount: number;
  /** Kernel memory of its perf rings. */
  readonly perfRings: number;
}

/** Reads utime and stime: 10 ms steps. */
export async function readCpuUsage(pid: number): Promise<CpuUsage> {
  return parseCpuUsage(await Deno.readTextFile(`/proc/${pid}/stat`));
}

/** Takes utime and stime out of one line of /proc/PID/stat. */
export function parseCpuUsage(stat: string): CpuUsage {
  // The name in parentheses may hold spaces and parentheses; what follows cannot.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const toMs = (ticks: string | undefined) => Number(ticks) * 1000 / TICKS_PER_SECOND;
  return { userMs: toMs(fields[11]), systemMs: toMs(fields[12]) };
}

/** Reads status, maps and the BPF maps behind the descriptors. Needs root. */
export async function readMemoryUsage(pid: number): Promise<MemoryUsage> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  let bpfMaps = 0;
  let bpfMapCount = 0;
  const seen = new Set<string>();
  for await (const entry of Deno.readDir(`/proc/${pid}/fdinfo`)) {
    const info = await readIfOpen(`/proc/${pid}/fdinfo/${entry.name}`);
    const id = field(info, "map_id");
    // One map may be behind several descriptors.
    if (id === undefined || seen.has(id)) continue;
    seen.add(id);
    bpfMapCount++;
    bpfMaps += Number(field(info, "memlock") ?? 0);
  }
  return {
    resident: Number.parseInt(field(status, "VmRSS") ?? "0") * KIB,
    anonymous: Number.parseInt(field(status, "RssAnon") ?? "0") * KIB,
    bpfMaps,
    bpfMapCount,
    perfRings: perfRingSize(await Deno.readTextFile(`/proc/${pid}/maps`)),
  };
}

/** Sum of the mappings of perf events in the text of /proc/PID/maps. */
export function perfRingSize(maps: string): number {
  let size = 0;
  for (const line of maps.split("\n")) {
    if (!line.endsWith("anon_inode:[perf_event]")) continue;
    const [start, end] = line.slice(0, line.indexOf(" ")).split("-");
    size += Number.parseInt(end ?? "", 16) - Number.parseInt(start ?? "", 16);
  }
  return size;
}

async function readIfOpen(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    // The descriptor was closed after the folder was read.
    return "";
  }
}

function field(text: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(text)?.[1];
}
