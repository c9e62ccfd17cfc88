/**
 * Joins what /proc told at start with what the hooks told meanwhile, so that every process and
 * every image is told once.
 *
 * Order of things: hooks are attached, then /proc is read, then the live records up to the end of
 * that reading (the window) are taken; only then this decides. Found processes are told first,
 * parents before children, then the window's facts in their order, then life goes on. The
 * decisions:
 *
 * - A fork of it is in the window: it was born after the hooks, which tell all of it; the scan's
 *   entry is dropped. The start time is not asked: it has 10 ms steps in /proc, a fork record is
 *   exact. A process that looks younger than the hooks but has no fork record (a full ring lost it)
 *   stays: nobody else tells it.
 * - An exec of it is in the window: when the scan came first, its entry is the image before and
 *   both are told. When the scan saw the new image, or a mix, the exec record tells the image and
 *   the one before is not known to anybody: the entry becomes an unknown image (ids, start time and
 *   parent are facts), which is not told as an event of its own but is the parent the exec and
 *   earlier children need.
 * - Its exit is in the window: told as found, then as exited. If the exit came before the reading
 *   or the reading found an empty shell, it becomes an unknown image that exits.
 * - A fork record that comes after the window (the task is visible in /proc some microseconds
 *   before sched_process_fork fires): the cache adopts it, see `ProcessCache`.
 *
 * @module
 */
import type { ProcessExecuted, ProcessFact, ProcessFound, Text } from "../events/mod.ts";
import { NS_PER_TICK } from "./cache_entry.ts";
import type { FoundImage } from "./process_cache.ts";
import { sameFile } from "./same_file.ts";

/** One process to enter before the window's facts. */
export interface FoundProcess {
  readonly fact: ProcessFound;
  /** "unknown" images are entered but not told. */
  readonly image: FoundImage;
}

/** What `resolveStartup()` decided. */
export interface StartupPlan {
  /** Parents before their children. */
  readonly processes: readonly FoundProcess[];
  /** Found processes that live records tell. */
  readonly droppedCount: number;
  /** Found processes whose image could not be believed. */
  readonly unknownCount: number;
}

/**
 * Longest time we allow between the moment /proc shows a new image (exec_mmap() in fs/exec.c) and
 * its exec record: the ELF loader works in between and may wait for a slow disk.
 */
const EXEC_TRANSITION_NS = 1_000_000_000n;

/** Decides which found processes are told, and how. Pure; `window` is in time order. */
export function resolveStartup(
  found: readonly ProcessFound[],
  window: readonly ProcessFact[],
): StartupPlan {
  const factsByGroup = new Map<string, ProcessFact[]>();
  for (const fact of window) {
    const key = groupKey(fact.tgid, fact.leaderStartNs / NS_PER_TICK);
    const facts = factsByGroup.get(key);
    if (facts === undefined) factsByGroup.set(key, [fact]);
    else facts.push(fact);
  }
  const kept: FoundProcess[] = [];
  let unknownCount = 0;
  for (const fact of uniqueGroups(found)) {
    const live = factsByGroup.get(groupKey(fact.tgid, fact.startTicks)) ?? [];
    if (live.some(({ type }) => type === "process_forked")) continue;
    const image = believedImage(fact, live);
    if (image === "unknown") unknownCount += 1;
    kept.push({ fact, image });
  }
  return {
    processes: parentsFirst(kept),
    droppedCount: found.length - kept.length,
    unknownCount,
  };
}

/** What the scan's reading of a process is worth, given the records about it. */
function believedImage(found: ProcessFound, live: readonly ProcessFact[]): FoundImage {
  for (const fact of live) {
    if (fact.type === "process_executed") {
      return isImageBefore(found, fact) ? "read" : "unknown";
    }
    if (fact.type === "process_exited") {
      const isShell = found.exe === undefined && found.argv.length === 0;
      return fact.timeNs <= found.readFromNs || isShell ? "unknown" : "read";
    }
  }
  return "read";
}

/**
 * Whether the scan saw the image that ran before `exec`.
 *
 * The scan reads the command line last, so a command line of the old image means everything is of
 * the old image. While exec works, the command line is empty: arg_end is set by
 * create_elf_tables(). The old and the new command line may be equal; then the file decides, and if
 * that is the same too, nothing is lost by telling it once.
 */
function isImageBefore(found: ProcessFound, exec: ProcessExecuted): boolean {
  if (exec.timeNs < found.readFromNs) return false;
  if (exec.timeNs > found.readToNs + EXEC_TRANSITION_NS) return true;
  if (found.argv.length === 0) return false;
  if (!sameTexts(found.argv, exec.argv)) return true;
  return exec.timeNs > found.readToNs && found.exe !== undefined && exec.exe !== undefined &&
    !sameFile(found.exe, exec.exe);
}

function sameTexts(a: readonly Text[], b: readonly Text[]): boolean {
  return a.length === b.length && a.every(({ text }, at) => text === b[at]?.text);
}

function groupKey(tgid: number, startTicks: bigint): string {
  return `${tgid}:${startTicks}`;
}

/** The last reading of each thread group, should readdir of /proc have shown one twice. */
function uniqueGroups(found: readonly ProcessFound[]): Iterable<ProcessFound> {
  return new Map(found.map((fact) => [groupKey(fact.tgid, fact.startTicks), fact])).values();
}

/** Orders processes so that a parent comes before its children; else by start, then tgid. */
function parentsFirst(processes: readonly FoundProcess[]): FoundProcess[] {
  const byTgid = new Map(processes.map((process) => [process.fact.tgid, process]));
  const ordered: FoundProcess[] = [];
  const placed = new Set<FoundProcess>();
  const byStart = [...processes].sort((a, b) =>
    a.fact.startTicks === b.fact.startTicks
      ? a.fact.tgid - b.fact.tgid
      : a.fact.startTicks < b.fact.startTicks
      ? -1
      : 1
  );
  for (const process of byStart) {
    // Ancestors are as old or older, so mostly placed; `line` is what is not, youngest first.
    const line: FoundProcess[] = [];
    let next: FoundProcess | undefined = process;
    while (next !== undefined && !placed.has(next)) {
      placed.add(next); // also ends a circle, which torn readings could make
      line.push(next);
      next = byTgid.get(next.fact.parentTgid);
    }
    ordered.push(...line.reverse());
  }
  return ordered;
}
