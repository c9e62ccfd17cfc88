/**
 * The kernel's CPU lists.
 *
 * @module
 */

/** CPU numbers a list may hold at most: NR_CPUS is 8192 in the largest distribution kernels. */
const CPUS_MAX = 8192;

/**
 * The CPUs of a list such as "0-3,8".
 *
 * @throws {RangeError} it is no such list.
 */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(",")) {
    if (part === "") continue;
    const range = /^(\d+)(?:-(\d+))?$/.exec(part);
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? first);
    if (!(first <= last) || last >= CPUS_MAX) {
      throw new RangeError(`Cannot read CPU list "${text.trim()}": "${part}" is no range`);
    }
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}

/** The kernel's list of CPUs cannot be read. */
export class CpuListError extends Error {
  override readonly name = "CpuListError";
  readonly hint = "mount sysfs: mount -t sysfs sysfs /sys";

  constructor(path: string, cause: unknown) {
    const state = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot read the list of CPUs "${path}": ${state}`, { cause });
  }
}

/** CPUs that run now. @throws {CpuListError} sysfs is not mounted */
export function onlineCpus(): number[] {
  return readCpuList("/sys/devices/system/cpu/online");
}

/** CPUs that may ever run. @throws {CpuListError} sysfs is not mounted */
export function possibleCpus(): number[] {
  return readCpuList("/sys/devices/system/cpu/possible");
}

/** @param path a file of sysfs */
export function readCpuList(path: string): number[] {
  try {
    return parseCpuList(Deno.readTextFileSync(path));
  } catch (error) {
    throw new CpuListError(path, error);
  }
}
