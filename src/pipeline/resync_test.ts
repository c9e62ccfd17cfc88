import assert from "node:assert/strict";
import { FakeRecordSource, FakeRing } from "../../tests/support/fake_record_source.ts";
import {
  buildExecRecord,
  buildExitRecord,
  buildForkRecord,
} from "../../tests/support/record_builder.ts";
import { FakeClock, found, type Group } from "../../tests/support/sample_facts.ts";
import type { AgentEvent, ProcessFound } from "../events/mod.ts";
import { processSensor } from "../sensors/process/sensor.ts";
import { ProcessCache, type ProcessReader } from "../state/mod.ts";
import { Counters, type Loss, LossLedger } from "../telemetry/mod.ts";
import { Pipeline, type PipelineOptions } from "./mod.ts";

const INIT: Group = { tgid: 1, startNs: 10_000_000n };
const SHELL: Group = { tgid: 100, startNs: 500_000_000n };
const IMPLANT: Group = { tgid: 200, startNs: 900_000_000n };
const CHILD: Group = { tgid: 300, startNs: 950_000_000n };
const START_NS = 1_000_000_000n;

/** A /proc that tests fill. */
class FakeProc implements ProcessReader {
  readonly processes = new Map<number, ProcessFound>();
  reads = 0;
  constructor(readonly clock: FakeClock) {}

  add(group: Group, parent: number, path: string, change: Partial<ProcessFound> = {}): void {
    this.processes.set(group.tgid, found(group, parent, path, change));
  }
  list(): number[] {
    return [...this.processes.keys()];
  }
  startTicks(tgid: number): bigint | undefined {
    return this.processes.get(tgid)?.startTicks;
  }
  read(tgid: number): ProcessFound | undefined {
    this.reads += 1;
    const process = this.processes.get(tgid);
    const nowNs = this.clock.nowNs;
    return process && { ...process, readFromNs: nowNs, readToNs: nowNs };
  }
  readExecutable(tgid: number) {
    return this.processes.get(tgid)?.exe;
  }
}

/** Runs until nothing came for `waits` waits; `onWait` is called with the number of each. */
async function run(ring: FakeRing, proc: FakeProc, at: {
  readonly losses?: LossLedger;
  readonly options?: PipelineOptions;
  onWait?(count: number): void;
}): Promise<{ readonly events: AgentEvent[]; readonly counters: Counters }> {
  const { clock } = proc;
  const [counters, losses] = [new Counters(), at.losses ?? new LossLedger()];
  const events: AgentEvent[] = [];
  const source = new FakeRecordSource([ring]);
  const stop = new AbortController();
  let waits = 0;
  source.onWait = (timeoutMs) => {
    // Steps of 1 ms let the start pass at once; later they would use up every slice.
    clock.stepNs = 1_000n;
    clock.nowNs += BigInt(timeoutMs) * 1_000_000n;
    at.onWait?.(waits);
    if (++waits > 60) stop.abort();
  };
  const cache = new ProcessCache({ nodeName: "n", clock, counters });
  const sink = { name: "t", push: (event: AgentEvent) => void events.push(event), flush: () => {} };
  await new Pipeline({
    ...{ source, decoders: processSensor.decoders, cache, losses, counters, clock },
    sinks: [sink],
  }, { reader: proc, scan: () => [...proc.processes.values()], ...at.options }).run(stop.signal);
  return { events, counters };
}

const header = (group: Group, timeNs: bigint) => ({
  ...{ tgid: group.tgid, leaderStartNs: group.startNs, timeNs },
});
const forkRecord = (child: Group, parent: Group, timeNs: bigint) =>
  buildForkRecord({ header: header(child, timeNs) }, {
    parentTgid: parent.tgid,
    parentStartNs: parent.startNs,
  });
const execRecord = (group: Group, timeNs: bigint, path: string, parent: Group) =>
  buildExecRecord({ header: header(group, timeNs) }, {
    ...{ filename: path, exe: path, argv: [path] },
    ...{ parentTgid: parent.tgid, parentStartNs: parent.startNs },
  });
const lines = (events: readonly AgentEvent[]) =>
  events.map((event) =>
    "subject" in event && event.subject !== undefined && "parent" in event
      ? `${event.type} ${event.subject.process.binary.text} ${event.subject.process.flags} <- ` +
        event.parent?.process.binary.text
      : event.type
  );
const loss = (kind: string | undefined): Loss => ({
  ...{ cause: "perf_ring_full", cpu: 0, count: 3, firstNs: START_NS, lastNs: START_NS },
  ...(kind !== undefined && { kind }),
});

function newProc(): FakeProc {
  const proc = new FakeProc(new FakeClock(START_NS, 1_000_000n));
  proc.add(INIT, 0, "/sbin/init");
  proc.add(SHELL, 1, "/bin/sh");
  return proc;
}

Deno.test("Resync tells a process that started in a gap, and its parent is known later", async () => {
  const proc = newProc();
  const losses = new LossLedger();
  const { events } = await run(new FakeRing(0), proc, {
    losses,
    onWait: (count) => {
      if (count !== 0) return;
      proc.add(IMPLANT, SHELL.tgid, "/usr/bin/implant");
      losses.add(loss("process_fork"));
    },
  });
  assert.deepEqual(lines(events).slice(3), [
    "gap",
    "process_exec /usr/bin/implant procFS rootcwd <- /bin/sh",
  ]);
});

Deno.test("Resync reads nothing when other records were lost", async () => {
  const proc = newProc();
  const losses = new LossLedger();
  await run(new FakeRing(0), proc, {
    losses,
    onWait: (count) => void (count === 0 && losses.add(loss("network_flow"))),
  });
  assert.equal(proc.reads, 0);
});

Deno.test("Resync ends what has gone and tells an image whose exec was lost", async () => {
  const proc = newProc();
  proc.add(IMPLANT, SHELL.tgid, "/bin/a");
  const losses = new LossLedger();
  const { events, counters } = await run(new FakeRing(0), proc, {
    losses,
    onWait: (count) => {
      if (count !== 0) return;
      proc.processes.delete(SHELL.tgid);
      proc.add(IMPLANT, 1, "/bin/b", {
        exe: { ...found(IMPLANT, 1, "/bin/b").exe!, inode: 77n },
      });
      losses.add(loss(undefined));
    },
  });
  assert.equal(lines(events).at(-1), "process_exec /bin/b procFS rootcwd <- /bin/a");
  assert.equal(counters.total("shrike_process_resync_ended_total"), 1);
  assert.equal(counters.total("shrike_process_resyncs_total"), 1);
});

Deno.test("Resync leaves to its record what a record tells before the reading settles", async () => {
  const proc = newProc();
  const [losses, ring] = [new LossLedger(), new FakeRing(0)];
  let isPushed = false;
  const { events } = await run(ring, proc, {
    losses,
    onWait: (count) => {
      if (count === 0) {
        proc.add(IMPLANT, SHELL.tgid, "/bin/a");
        losses.add(loss("process_exec"));
      }
      if (isPushed || proc.reads === 0) return;
      // Made before it was read, but not yet in the ring then.
      isPushed = true;
      const t = proc.clock.nowNs - 1_000_000n;
      ring.push(
        forkRecord(IMPLANT, SHELL, t - 50_000_000n),
        execRecord(IMPLANT, t - 40_000_000n, "/bin/a", SHELL),
      );
    },
  });
  assert(isPushed);
  assert.deepEqual(lines(events).filter((line) => line.includes("/bin/a")), [
    "process_exec /bin/a execve rootcwd clone <- /bin/sh",
  ]);
});

Deno.test("Pipeline looks up the parent that a record names and nobody knows", async () => {
  const proc = newProc();
  const t = START_NS + 200_000_000n;
  const ring = new FakeRing(0, [
    forkRecord(CHILD, IMPLANT, t),
    execRecord(CHILD, t + 1n, "/bin/true", IMPLANT),
    buildExitRecord(header(CHILD, t + 2n), { exitCode: 0 }),
  ]);
  const { events } = await run(ring, proc, {
    options: {
      scan: () => {
        const before = [...proc.processes.values()];
        proc.add(IMPLANT, SHELL.tgid, "/usr/bin/implant");
        return before;
      },
    },
  });
  assert.deepEqual(lines(events).slice(3), [
    "process_exec /usr/bin/implant procFS rootcwd <- /bin/sh",
    "process_exec /bin/true execve rootcwd clone <- /usr/bin/implant",
    "process_exit /bin/true execve rootcwd clone <- /usr/bin/implant",
  ]);
});

Deno.test("Pipeline asks once for a process that has gone", async () => {
  const proc = newProc();
  const t = START_NS + 200_000_000n;
  const children = [301, 302, 303, 304].map((tgid) => ({ tgid, startNs: 950_000_000n }));
  const records = children.map((child, index) => forkRecord(child, IMPLANT, t + BigInt(index)));
  const { counters } = await run(new FakeRing(0, records), proc, {});
  assert.equal(proc.reads, 1);
  assert.equal(counters.total("shrike_process_lookups_gone_total"), 1);
});
