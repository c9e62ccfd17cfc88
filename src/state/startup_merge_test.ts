import assert from "node:assert/strict";
import {
  executable,
  executed,
  exited,
  FakeClock,
  forked,
  found,
  type Group,
} from "../../tests/support/sample_facts.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { ProcessFact, ProcessFound } from "../events/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { ProcessCache } from "./process_cache.ts";
import { resolveStartup } from "./startup_merge.ts";

const MS = 1_000_000n;
/** found() reads from 1000 ms to 1001 ms. */
const BEFORE = 990n * MS;
const DURING = 1_000n * MS + 500_000n;
const AFTER = 1_010n * MS;
const INIT: Group = { tgid: 1, startNs: 20n * MS };
const SHELL: Group = { tgid: 100, startNs: 500n * MS };
const YOUNG: Group = { tgid: 200, startNs: 985n * MS + 123n };

/** Names of what a consumer would see: exec events with their binary, and exits. */
function told(processes: readonly ProcessFound[], window: readonly ProcessFact[]): string[] {
  const cache = new ProcessCache({
    nodeName: "n",
    clock: new FakeClock(),
    counters: new Counters(),
  });
  const lines: string[] = [];
  for (const { fact, image } of resolveStartup(processes, window).processes) {
    const entry = cache.applyFound(fact, image);
    assert(entry !== undefined);
    if (image === "read") lines.push(`${entry.process.tgid} ${entry.process.binary.text} procFS`);
  }
  for (const fact of window) {
    const entry = cache.apply(fact);
    if (entry === undefined || fact.type === "process_forked") continue;
    const { process, parent } = entry;
    const verb = fact.type === "process_exited" ? "exit" : "exec";
    const from = parent === undefined ? "?" : parent.process.unknown ? "unknown" : "known";
    lines.push(`${process.tgid} ${process.binary.text || "-"} ${verb} ${from}`);
  }
  return lines;
}

Deno.test("resolveStartup() puts parents before children, also when the parent's tgid is larger", () => {
  const wrapped = found({ tgid: 50, startNs: 990n * MS }, 900, "/bin/child");
  const parent = found({ tgid: 900, startNs: 990n * MS }, 1, "/bin/parent");
  const { processes } = resolveStartup([wrapped, parent, found(INIT, 0, "/sbin/init")], []);
  assert.deepEqual(processes.map(({ fact }) => fact.tgid), [1, 900, 50]);
});

Deno.test("resolveStartup() ends on parents that name each other", () => {
  const a = found({ tgid: 10, startNs: 100n * MS }, 11, "/a");
  const b = found({ tgid: 11, startNs: 100n * MS }, 10, "/b");
  assert.equal(resolveStartup([a, b], []).processes.length, 2);
});

Deno.test("resolveStartup() leaves a process born after the hooks to its records", () => {
  const processes = [found(SHELL, 0, "/bin/sh"), found(YOUNG, 100, "/bin/ls")];
  const window = [forked(YOUNG, SHELL, BEFORE), executed(YOUNG, BEFORE + 1n, "/bin/ls")];
  assert.deepEqual(told(processes, window), ["100 /bin/sh procFS", "200 /bin/ls exec known"]);
  assert.equal(resolveStartup(processes, window).droppedCount, 1);
});

Deno.test("resolveStartup() keeps a young process whose fork record was lost", () => {
  const lines = told([found(SHELL, 0, "/bin/sh"), found(YOUNG, 100, "/bin/ls")], []);
  assert.deepEqual(lines, ["100 /bin/sh procFS", "200 /bin/ls procFS"]);
});

Deno.test("resolveStartup() tells an image once when its exec came before the reading", () => {
  const lines = told([found(SHELL, 0, "/bin/zsh")], [executed(SHELL, BEFORE, "/bin/zsh")]);
  assert.deepEqual(lines, ["100 /bin/zsh exec unknown"]);
});

Deno.test("resolveStartup() tells both images when the exec came after the reading", () => {
  const lines = told([found(SHELL, 0, "/bin/sh")], [executed(SHELL, AFTER, "/bin/zsh")]);
  assert.deepEqual(lines, ["100 /bin/sh procFS", "100 /bin/zsh exec known"]);
});

Deno.test("resolveStartup() believes a reading during an exec only with the old command line", () => {
  const exec = executed(SHELL, DURING, "/bin/zsh");
  const oldImage = found(SHELL, 0, "/bin/sh");
  const newImage = found(SHELL, 0, "/bin/zsh");
  const mixed = found(SHELL, 0, "/bin/sh", { argv: [{ text: "/bin/zsh" }] });
  const half = found(SHELL, 0, "/bin/zsh", { argv: [] });
  assert.deepEqual(told([oldImage], [exec]), ["100 /bin/sh procFS", "100 /bin/zsh exec known"]);
  for (const reading of [newImage, mixed, half]) {
    assert.deepEqual(told([reading], [exec]), ["100 /bin/zsh exec unknown"]);
  }
});

Deno.test("resolveStartup() sees a new image whose exec record is younger than the reading", () => {
  // /proc shows the new file from exec_mmap() on, the tracepoint fires when the loader is done.
  const half = found(SHELL, 0, "/bin/zsh", { argv: [] });
  assert.deepEqual(told([half], [executed(SHELL, AFTER, "/bin/zsh")]), [
    "100 /bin/zsh exec unknown",
  ]);
});

Deno.test("resolveStartup() tells both images of an exec that keeps the arguments but not the file", () => {
  const argv = [{ text: "server" }];
  const wrapper = found(SHELL, 0, "/usr/bin/wrapper", { argv });
  const exec = executed(SHELL, AFTER, "/usr/lib/server", {
    argv,
    exe: executable("/usr/lib/server"),
  });
  assert.deepEqual(told([wrapper], [exec]), [
    "100 /usr/bin/wrapper procFS",
    "100 /usr/lib/server exec known",
  ]);
});

Deno.test("resolveStartup() gives children made before an exec the unknown image as parent", () => {
  const window = [
    forked(YOUNG, SHELL, BEFORE),
    executed(SHELL, BEFORE + 1n, "/bin/zsh"),
    exited(YOUNG, BEFORE + 2n),
  ];
  assert.deepEqual(told([found(SHELL, 0, "/bin/zsh")], window), [
    "100 /bin/zsh exec unknown",
    "200 - exit unknown",
  ]);
});

Deno.test("resolveStartup() tells a process that ends in the window as found, then as exited", () => {
  assert.deepEqual(told([found(SHELL, 0, "/bin/sh")], [exited(SHELL, AFTER)]), [
    "100 /bin/sh procFS",
    "100 /bin/sh exit known",
  ]);
});

Deno.test("resolveStartup() does not believe the shell of a process that was exiting", () => {
  const { exe: _, ...shell } = found(SHELL, 0, "", { argv: [] });
  assert.deepEqual(told([shell], [exited(SHELL, AFTER)]), ["100 - exit known"]);
  assert.deepEqual(told([found(SHELL, 0, "/bin/sh")], [exited(SHELL, BEFORE)]), [
    "100 - exit known",
  ]);
});

Deno.test("resolveStartup() keeps apart two processes that had the same tgid", () => {
  const old: Group = { tgid: 200, startNs: 100n * MS };
  const window = [exited(old, BEFORE), forked(YOUNG, SHELL, BEFORE + 1n)];
  const processes = [found(SHELL, 0, "/bin/sh"), found(YOUNG, 100, "/bin/sh")];
  assert.deepEqual(told(processes, window), ["100 /bin/sh procFS", "200 - exit ?"]);
});

/**
 * A made-up host: processes fork, exec and exit at random around the scan, which reads each at its
 * own moment. Records before `attachNs` do not exist.
 */
function randomHost(random: SeededRandom) {
  interface Life extends Group {
    readonly parent: number;
    images: { fromNs: bigint; path: string }[];
    endNs: bigint;
  }
  const lives: Life[] = [{ tgid: 1, startNs: 0n, parent: 0, images: [], endNs: 1n << 60n }];
  lives[0]!.images.push({ fromNs: 0n, path: "/init" });
  const attachNs = 400n * MS;
  const scanNs = 500n * MS;
  const facts: ProcessFact[] = [];
  for (let nowNs = 1n; nowNs < 600n * MS; nowNs += BigInt(1 + random.below(3_000_000))) {
    const running = lives.filter(({ endNs }) => endNs > nowNs);
    const actor = running[random.below(running.length)]!;
    const choice = random.below(10);
    if (choice < 5) {
      const child: Life = {
        tgid: 2 + lives.length,
        startNs: nowNs,
        parent: actor.tgid,
        images: [{ fromNs: nowNs, path: actor.images.at(-1)!.path }],
        endNs: 1n << 60n,
      };
      lives.push(child);
      facts.push(forked(child, actor, nowNs));
    } else if (choice < 8) {
      const path = `/bin/${facts.length}`;
      actor.images.push({ fromNs: nowNs, path });
      facts.push(executed(actor, nowNs, path));
    } else if (actor.tgid !== 1) {
      actor.endNs = nowNs;
      facts.push(exited(actor, nowNs));
    }
  }
  const readings: ProcessFound[] = [];
  let readNs = scanNs;
  for (const life of lives) {
    readNs += 100_000n;
    if (life.startNs > readNs || life.endNs <= readNs) continue;
    const image = life.images.findLast(({ fromNs }) => fromNs <= readNs)!;
    const parentRuns = lives.some(({ tgid, endNs }) => tgid === life.parent && endNs > readNs);
    readings.push(
      found(life, life.parent === 0 ? 0 : parentRuns ? life.parent : 1, image.path, {
        readFromNs: readNs - 50_000n,
        readToNs: readNs + 50_000n,
      }),
    );
  }
  return { lives, facts: facts.filter(({ timeNs }) => timeNs >= attachNs), readings };
}

Deno.test("resolveStartup() tells every process and image of a random host once", () => {
  const random = SeededRandom.fromEnvironment("resolveStartup");
  for (let host = 0; host < 100; host++) {
    const { lives, facts, readings } = randomHost(random);
    const lines = told(readings, facts);
    assert.equal(new Set(lines).size, lines.length, "told twice");
    for (const fact of facts) {
      const name = `${fact.tgid} `;
      if (fact.type === "process_executed") {
        const exec = `${name}${fact.filename.text} exec`;
        assert.equal(lines.filter((line) => line.startsWith(exec)).length, 1, exec);
        assert(!lines.includes(`${name}${fact.filename.text} procFS`), exec);
      } else if (fact.type === "process_exited") {
        assert.equal(lines.filter((l) => l.startsWith(name) && l.includes(" exit")).length, 1);
      }
    }
    // Who ran before the hooks, throughout the scan and without an exec since, is told by /proc.
    for (const { tgid, startNs, endNs, images } of lives) {
      const isSteady = startNs < 400n * MS && endNs > 600n * MS &&
        images.at(-1)!.fromNs < 400n * MS;
      if (isSteady) assert(lines.includes(`${tgid} ${images.at(-1)!.path} procFS`));
    }
  }
});
