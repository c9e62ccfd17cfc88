import assert from "node:assert/strict";
import {
  executable,
  executed,
  exited,
  FakeClock,
  forked,
  found,
  type Group,
  SLEPT_NS,
  WALL_OFFSET_NS,
} from "../../tests/support/sample_facts.ts";
import { ROOT_CREDENTIALS } from "../../tests/support/sample_events.ts";
import { Counters } from "../telemetry/mod.ts";
import type { CachedProcess } from "./cache_entry.ts";
import { ProcessCache } from "./process_cache.ts";

const INIT: Group = { tgid: 1, startNs: 20_000_000n };
const SHELL: Group = { tgid: 100, startNs: 1_000_000_000n };
const CHILD: Group = { tgid: 200, startNs: 2_000_000_123n };
const S = 1_000_000_000n;

function setUp(options: { entriesMax?: number; bytesMax?: number } = {}) {
  const counters = new Counters();
  const cache = new ProcessCache({
    nodeName: "node",
    clock: new FakeClock(),
    counters,
    ...options,
  });
  const init = cache.applyFound(found(INIT, 0, "/sbin/init"));
  const shell = cache.applyFound(found(SHELL, 1, "/bin/sh"));
  assert(init !== undefined && shell !== undefined);
  return { cache, counters, init, shell };
}

function execIdOf({ process }: CachedProcess): string {
  return atob(process.execId);
}

function apply(cache: ProcessCache, fact: Parameters<ProcessCache["apply"]>[0]): CachedProcess {
  const subject = cache.apply(fact);
  assert(subject !== undefined, `${fact.type} told nothing`);
  return subject;
}

Deno.test("ProcessCache gives /proc processes a boot-time ktime, procFS flags and the kernel as root", () => {
  const { cache, init, shell } = setUp();
  assert.equal(execIdOf(cache.kernel), "node:1:0");
  assert.equal(execIdOf(init), "node:20000000:1");
  assert.equal(init.process.parentExecId, cache.kernel.process.execId);
  assert.equal(shell.parent, init);
  assert.equal(shell.process.flags, "procFS rootcwd");
  assert.equal(shell.process.binary.text, "/bin/sh");
  assert.equal(shell.process.startTimeNs, WALL_OFFSET_NS + SHELL.startNs - SLEPT_NS);
});

Deno.test("ProcessCache describes a fork as the parent's image with flags execve", () => {
  const { cache, shell } = setUp();
  const child = apply(cache, forked(CHILD, SHELL, 5n * S));
  assert.equal(execIdOf(child), `node:${5n * S}:200`);
  assert.equal(child.process.parentExecId, shell.process.execId);
  assert.equal(child.process.binary, shell.process.binary);
  assert.equal(child.process.argv, shell.process.argv);
  assert.equal(child.process.flags, "execve");
  assert.equal(child.process.startTimeNs, WALL_OFFSET_NS + 5n * S);
  assert.deepEqual([child.references, shell.references], [1, 2]);
});

Deno.test("ProcessCache names the forking process as parent of the first exec, the image before of the next", () => {
  const { cache, shell } = setUp();
  apply(cache, forked(CHILD, SHELL, 5n * S));
  const first = apply(cache, executed(CHILD, 6n * S, "/bin/env"));
  assert.equal(execIdOf(first), `node:${6n * S}:200`);
  assert.equal(first.process.flags, "execve clone");
  assert.equal(first.parent, shell);
  assert.equal(shell.references, 2);
  const second = apply(cache, executed(CHILD, 7n * S, "/bin/ls", { cwd: { text: "/" } }));
  assert.equal(second.process.flags, "execve rootcwd");
  assert.equal(second.process.parentExecId, first.process.execId);
  assert.equal(second.parent, first);
  assert.deepEqual([first.references, second.references], [1, 1]);
  apply(cache, exited(CHILD, 8n * S));
  assert.deepEqual([shell.references, first.references, second.references], [1, 0, 0]);
});

Deno.test("ProcessCache never changes a Process it gave out", () => {
  const { cache, shell } = setUp();
  const before = structuredClone(shell.process);
  apply(cache, forked(CHILD, SHELL, 5n * S));
  apply(cache, executed(SHELL, 6n * S, "/bin/dash"));
  apply(cache, exited(SHELL, 7n * S));
  assert.deepEqual(shell.process, before);
});

Deno.test("ProcessCache keeps an exited parent for its children and drops it after the linger time", () => {
  const { cache, shell } = setUp();
  const child = apply(cache, forked(CHILD, SHELL, 5n * S));
  apply(cache, exited(SHELL, 6n * S));
  cache.sweep(60n * S);
  assert.equal(child.parent, shell);
  assert.equal(shell.references, 1);
  apply(cache, exited(CHILD, 61n * S));
  cache.sweep(62n * S);
  assert.equal(cache.size, 3);
  cache.sweep(63n * S);
  assert.equal(cache.size, 1, "only init is left");
});

Deno.test("ProcessCache takes a late child of an exited parent, and holds the parent's ancestors again", () => {
  const { cache, shell, init } = setUp();
  apply(cache, exited(SHELL, 6n * S));
  assert.deepEqual([shell.references, init.references], [0, 1]);
  const child = apply(cache, forked(CHILD, SHELL, 5n * S));
  assert.equal(child.parent, shell);
  assert.deepEqual([shell.references, init.references], [1, 2]);
  cache.sweep(60n * S);
  assert.equal(child.parent?.parent, init);
});

Deno.test("ProcessCache inserts a late exec of a process that exited as ended image", () => {
  const { cache, shell } = setUp();
  apply(cache, forked(CHILD, SHELL, 5n * S));
  apply(cache, exited(CHILD, 7n * S));
  const image = apply(cache, executed(CHILD, 6n * S, "/bin/true"));
  assert.equal(image.process.binary.text, "/bin/true");
  assert.equal(image.parent, shell);
  cache.sweep(20n * S);
  assert.equal(cache.size, 2);
  assert.equal(shell.references, 1);
});

Deno.test("ProcessCache does not let a late exec replace a younger image", () => {
  const { cache, shell } = setUp();
  apply(cache, forked(CHILD, SHELL, 5n * S));
  const young = apply(cache, executed(CHILD, 7n * S, "/bin/ls"));
  const late = apply(cache, executed(CHILD, 6n * S, "/bin/env"));
  assert.equal(late.parent, shell);
  assert.equal(cache.find(CHILD.tgid, CHILD.startNs), young);
});

Deno.test("ProcessCache matches a /proc entry by ticks once, then by the exact start", () => {
  const { cache, counters, shell } = setUp();
  const start = SHELL.startNs + 9_999_999n;
  assert.equal(cache.apply(forked({ tgid: 100, startNs: start }, INIT, 5n * S)), undefined);
  assert.equal(counters.total("shrike_process_forks_adopted_total"), 1);
  assert.equal(cache.find(100, start), shell);
  assert.equal(cache.find(100, SHELL.startNs), undefined);
  assert.equal(cache.applyFound(found(SHELL, 1, "/bin/sh")), undefined);
});

Deno.test("ProcessCache drops and counts a second fork, and a second exit, of the same thread group", () => {
  const { cache, counters } = setUp();
  apply(cache, forked(CHILD, SHELL, 5n * S));
  assert.equal(cache.apply(forked(CHILD, SHELL, 5n * S)), undefined);
  apply(cache, exited(CHILD, 6n * S));
  assert.equal(cache.apply(exited(CHILD, 6n * S, { lastTid: 201 })), undefined);
  assert.equal(counters.total("shrike_process_duplicates_total"), 2);
});

Deno.test("ProcessCache closes the old process when a tgid is used again and the exit was lost", () => {
  const { cache, counters, shell } = setUp();
  const old = apply(cache, forked(CHILD, SHELL, 5n * S));
  const grandchild = apply(cache, forked({ tgid: 300, startNs: 3n * S }, CHILD, 6n * S));
  const again: Group = { tgid: CHILD.tgid, startNs: 9n * S };
  const fresh = apply(cache, forked(again, SHELL, 9n * S));
  assert.equal(counters.total("shrike_process_tgid_reused_total"), 1);
  assert.notEqual(fresh, old);
  assert.equal(old.references, 1, "kept by its child");
  assert.equal(grandchild.parent, old);
  assert.equal(shell.references, 3);
  // The lost exit comes late: it belongs to the old one and is told already.
  assert.equal(cache.apply(exited(CHILD, 8n * S)), undefined);
  assert.equal(fresh.references, 1);
  assert.equal(apply(cache, exited(again, 10n * S)), fresh);
});

Deno.test("ProcessCache does not close the present process for a late fork of an older one", () => {
  const { cache, counters } = setUp();
  const young: Group = { tgid: CHILD.tgid, startNs: 9n * S };
  const present = apply(cache, forked(young, SHELL, 9n * S));
  const late = apply(cache, forked(CHILD, SHELL, 5n * S));
  assert.equal(counters.total("shrike_process_tgid_reused_total"), 0);
  assert.equal(cache.find(young.tgid, young.startNs), present);
  assert.equal(apply(cache, exited(CHILD, 6n * S)), late);
});

Deno.test("ProcessCache marks an exit of an unknown process unknown, once", () => {
  const { cache, counters } = setUp();
  const gone = apply(cache, exited(CHILD, 5n * S));
  assert.equal(gone.process.unknown, true);
  assert.equal(gone.process.flags, "unknown");
  assert.equal(gone.process.binary.text, "");
  assert.equal(gone.process.credentials.uid, 4294967295);
  assert.equal(execIdOf(gone), `node:${CHILD.startNs}:200`);
  assert.equal(gone.parent, undefined);
  assert.equal(cache.apply(exited(CHILD, 5n * S)), undefined);
  assert.equal(counters.total("shrike_process_unknown_total"), 1);
});

Deno.test("ProcessCache never guesses the image of a child whose parent it does not know", () => {
  const { cache } = setUp();
  const orphan = apply(cache, forked(CHILD, { tgid: 999, startNs: 5n }, 5n * S));
  assert.equal(orphan.parent, undefined);
  assert.equal(orphan.process.parentExecId, "");
  assert.equal(orphan.process.unknown, true);
  assert.equal(orphan.process.credentials.uid, 0, "credentials are in the record");
  const image = apply(cache, executed(CHILD, 6n * S, "/bin/ls"));
  assert.equal(image.process.unknown, false);
  assert.equal(image.process.flags, "execve clone");
  assert.equal(image.parent, undefined);
});

Deno.test("ProcessCache does not take another process with the parent's tgid for the parent", () => {
  const { cache } = setUp();
  const child = apply(cache, forked(CHILD, { tgid: 100, startNs: 500_000_000n }, 5n * S));
  assert.equal(child.parent, undefined);
});

Deno.test("ProcessCache enters an exec without a fork with flag miss under the parent the kernel named", () => {
  const { cache, counters, shell } = setUp();
  const image = apply(
    cache,
    executed(CHILD, 5n * S, "/bin/ls", { parentTgid: 100, parentStartNs: SHELL.startNs }),
  );
  assert.equal(image.process.flags, "execve miss");
  assert.equal(image.parent, shell);
  assert.equal(counters.total("shrike_process_unknown_total"), 1);
  assert.equal(apply(cache, exited(CHILD, 6n * S)), image);
});

Deno.test("ProcessCache puts what kernel threads start below <kernel>", () => {
  const { cache } = setUp();
  const kthread: Group = { tgid: 77, startNs: 5n };
  const helper = apply(cache, forked(CHILD, kthread, 5n * S, { parentIsKernel: true }));
  assert.equal(helper.parent, cache.kernel);
  const image = apply(
    cache,
    executed(CHILD, 6n * S, "/sbin/modprobe", { parentTgid: 77, parentIsKernel: true }),
  );
  assert.equal(image.process.parentExecId, cache.kernel.process.execId);
});

Deno.test("ProcessCache marks a container's init and its descendants, not who enters from outside", () => {
  const { cache } = setUp();
  const containerInit: Group = { tgid: 300, startNs: 3n * S };
  const inner: Group = { tgid: 301, startNs: 4n * S };
  const entered: Group = { tgid: 302, startNs: 4n * S };
  const level = { pidNsLevel: 1 };
  const first = apply(
    cache,
    forked(containerInit, SHELL, 5n * S, { ...level, namespaceTgid: 1 }),
  );
  assert.equal(first.process.flags, "execve inInitTree");
  apply(cache, forked(inner, containerInit, 6n * S, { ...level, namespaceTgid: 2 }));
  const image = apply(cache, executed(inner, 7n * S, "/bin/ls", { ...level, namespaceTgid: 2 }));
  assert.equal(image.process.flags, "execve clone inInitTree");
  assert.equal(image.process.inInitTree, true);
  const outsider = apply(cache, forked(entered, SHELL, 7n * S, { ...level, namespaceTgid: 3 }));
  assert.equal(outsider.process.inInitTree, false);
});

Deno.test("ProcessCache joins a relative file name with cwd and reports raised privileges", () => {
  const { cache } = setUp();
  apply(cache, forked(CHILD, SHELL, 5n * S));
  const { process } = apply(
    cache,
    executed(CHILD, 6n * S, "./su", {
      cwd: { text: "/opt/bin" },
      exe: executable("/opt/bin/su", { mode: 0o104755, uid: 0 }),
      credentials: { ...ROOT_CREDENTIALS, uid: 1000, euid: 0 },
      secureExec: true,
      gained: { euid: true, egid: true, capabilities: true },
    }),
  );
  assert.equal(process.binary.text, "/opt/bin/su");
  assert.deepEqual(process.privileges, {
    setuid: 0,
    changes: ["PRIVILEGES_RAISED_EXEC_FILE_SETUID"],
  });
});

Deno.test("ProcessCache enters an unknown image for a process that changed while /proc was read", () => {
  const { cache, shell } = setUp();
  const unknown = cache.applyFound(found(CHILD, 100, "/bin/half"), "unknown");
  assert(unknown !== undefined);
  assert.equal(unknown.process.unknown, true);
  assert.equal(unknown.process.parentExecId, shell.process.execId);
  const image = apply(cache, executed(CHILD, 1n, "/bin/ls"));
  assert.equal(image.process.flags, "execve");
  assert.equal(image.parent, unknown);
});
