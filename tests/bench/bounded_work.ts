/**
 * Work of the main thread whose bound is a matter of time, each on its own. Prints one JSON object.
 *
 * @module
 */
import { mkdirSync, rmdirSync } from "node:fs";
import { openLibc, RusageWho } from "../../ffi/mod.ts";
import { detectCgroupMode, HostFiles, walkCgroups } from "../../src/cgroups/mod.ts";
import { readPolicies } from "../../src/policy/mod.ts";
import { ProcessCache } from "../../src/state/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { FakeClock, forked, found, type Group } from "../support/sample_facts.ts";

const PARENTS = 100;
const CHILDREN = 99;
const FORKS = 200_000;
const START_NS = 1_000_000_000n;
const TEXT_SIZE = 1_000_000;

using libc = openLibc();

/** CPU time of this thread, ms. */
function cpuMs(): number {
  const { userNs, systemNs } = libc.getrusage(RusageWho.thread);
  return (userNs + systemNs) / 1e6;
}

function timed(run: () => void): number {
  const before = cpuMs();
  run();
  return cpuMs() - before;
}

/** A walk of 10,000 cgroups that are made for it. */
function walk(): { walkMs: number; cgroups: number } {
  const files = new HostFiles();
  const hierarchy = detectCgroupMode({ files }).tracked?.hierarchy;
  if (hierarchy?.mount === undefined) throw new Error("Cannot walk cgroups: none are mounted");
  const root = `${hierarchy.mount.path}/shrike-bench-${crypto.randomUUID()}`;
  const made: string[] = [];
  const make = (path: string) => {
    mkdirSync(path);
    made.push(path);
  };
  try {
    make(root);
    for (let i = 0; i < PARENTS; i++) {
      make(`${root}/${i}`);
      for (let j = 0; j < CHILDREN; j++) make(`${root}/${i}/${j}`);
    }
    let cgroups = 0;
    const walkMs = timed(() => cgroups = walkCgroups(files, hierarchy).cgroups.length);
    return { walkMs, cgroups };
  } finally {
    for (const path of made.reverse()) rmdirSync(path);
  }
}

/** Forks that never exit, each third of them the parent of the next. */
function forkBomb(): number {
  const counters = new Counters();
  const cache = new ProcessCache({ nodeName: "node", clock: new FakeClock(), counters });
  let parent: Group = { tgid: 1, startNs: 20_000_000n };
  cache.applyFound(found(parent, 0, "/sbin/init"));
  return timed(() => {
    for (let at = 0; at < FORKS; at++) {
      const child: Group = { tgid: 2 + at, startNs: START_NS + BigInt(at) * 1_000n };
      cache.apply(forked(child, parent, child.startNs));
      if (at % 3 === 0) parent = child;
    }
  });
}

/** Text of a policy that is hard to read: one long list that never ends. */
function hostileText(): number {
  const text = new TextEncoder().encode(`[${",".repeat(TEXT_SIZE - 1)}`);
  return timed(() => readPolicies(text, { file: "p.yaml" }));
}

console.log(JSON.stringify({ ...walk(), forkBombMs: forkBomb(), hostileTextMs: hostileText() }));
