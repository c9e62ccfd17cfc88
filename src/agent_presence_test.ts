import assert from "node:assert/strict";
import { FakeHost } from "../tests/support/fake_host.ts";
import { AgentPresence } from "./agent_presence.ts";
import { HostFiles } from "./cgroups/mod.ts";
import { Counters, type Log, type Loss, LossLedger } from "./telemetry/mod.ts";

const BOOT = "0d1c2b3a-4f5e-6d7c-8b9a-0f1e2d3c4b5a";
const OTHER_BOOT = "ffffffff-4f5e-6d7c-8b9a-0f1e2d3c4b5a";
const SECOND_NS = 1_000_000_000n;
/** Of wall time to the monotonic clock. */
const EPOCH_NS = 1_700_000_000n * SECOND_NS;
const FAILURES = "shrike_agent_state_failures_total";

/** A host on which runs of the agent follow each other. */
class TestHost implements Disposable {
  readonly host = new FakeHost({});
  readonly directory = `${this.host.root}/run/shrike`;
  readonly file = `${this.directory}/last_run.json`;
  readonly lines: string[] = [];
  readonly counters = new Counters();
  /** Time awake and asleep since boot. */
  awakeNs = 100n * SECOND_NS;
  asleepNs = 0n;
  losses = new LossLedger();

  constructor() {
    Deno.mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.boot(BOOT);
    this.made(1000);
  }

  boot(id: string): void {
    this.host.addFile("/proc/sys/kernel/random/boot_id", `${id}\n`);
  }

  /** So many threads and processes were made since boot. */
  made(forks: number): void {
    this.host.addFile("/proc/stat", `cpu  1 2 3\nctxt 99\nprocesses ${forks}\nprocs_running 1\n`);
  }

  passes(seconds: bigint): void {
    this.awakeNs += seconds * SECOND_NS;
  }

  /** Opens a run's presence; its gaps are in `losses`. */
  open(stateDirectory: string | null = this.directory): AgentPresence {
    this.losses = new LossLedger();
    const warn = (message: string, { error }: Record<string, unknown> = {}) =>
      void this.lines.push(message.replace("{error}", String(error)));
    const log: Log = { error: warn, warn, info: () => {}, debug: () => {} };
    return new AgentPresence({
      ...{ counters: this.counters, losses: this.losses, log },
      config: { stateDirectory: stateDirectory ?? undefined },
      clock: {
        monotonicNs: () => this.awakeNs,
        boottimeNs: () => this.awakeNs + this.asleepNs,
        wallNs: (monotonicNs) => EPOCH_NS + monotonicNs + this.asleepNs,
      },
      payload: { build: () => ({ version: "0.1.0", commit: "c", deno: "2" }) },
      files: new HostFiles(this.host.root),
    });
  }

  /** A run that ends in order now. */
  runsToItsEnd(): void {
    using presence = this.open();
    presence.begin();
    presence.end();
  }

  /** What a run that begins now enters. */
  gaps(): Loss[] {
    using presence = this.open();
    presence.begin();
    return this.losses.take();
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
  }
}

Deno.test("AgentPresence tells the time and forks since a run that ended in order", () => {
  using test = new TestHost();
  {
    using presence = test.open();
    assert.equal(presence.begin(), undefined);
    assert.deepEqual(test.losses.take(), []);
    test.passes(60n);
    test.made(1200);
    presence.end();
    // What comes while the rings are emptied was not seen.
    test.passes(1n);
    test.made(1203);
  }
  test.passes(4n);
  test.made(1250);
  using presence = test.open();
  assert.deepEqual(presence.begin(), { isClean: true, durationNs: 5n * SECOND_NS, forks: 50 });
  assert.deepEqual(test.losses.take(), [{
    cause: "agent_restart",
    count: 50,
    firstNs: 160n * SECOND_NS,
    lastNs: 165n * SECOND_NS,
  }]);
  assert.equal(test.losses.total, 0);
  assert.deepEqual([...test.losses.totals], []);
  assert.deepEqual(test.lines, []);
});

Deno.test("AgentPresence tells the time since the last sign of life of a run that was killed", () => {
  using test = new TestHost();
  {
    using presence = test.open();
    presence.begin();
    for (let second = 1; second <= 25; second++) {
      test.passes(1n);
      test.made(1000 + second);
      presence.tick();
    }
    // Killed: nothing is written any more, and the lock goes with the process.
  }
  test.passes(5n);
  test.made(1100);
  const [gap] = test.gaps();
  assert.ok(gap !== undefined);
  const { firstNs, lastNs, count } = gap;
  assert.equal(lastNs, 130n * SECOND_NS);
  // Not after the kill at 125 s, and not before the last sign that was due.
  assert.ok(firstNs <= 125n * SECOND_NS && firstNs >= 114n * SECOND_NS, String(firstNs));
  assert.equal(count, 1100 - 1000 - Number(firstNs / SECOND_NS - 100n));
});

Deno.test("AgentPresence writes down a moment only when a turn has passed since", () => {
  using test = new TestHost();
  using presence = test.open();
  presence.begin();
  const times = new Set<string>();
  for (let second = 1; second <= 100; second++) {
    test.passes(1n);
    presence.tick();
    const { boottime_ns: written } = JSON.parse(Deno.readTextFileSync(test.file));
    times.add(written);
    assert.ok(BigInt(written) < test.awakeNs, `at ${second} s`);
  }
  assert.ok(times.size >= 9, `${times.size} signs in 100 s`);
});

Deno.test("AgentPresence keeps the word of the run before until its gap was handed over", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  test.passes(10n);
  // A run that is killed at its start, and one that fails.
  assert.equal(test.gaps().length, 1);
  {
    using presence = test.open();
    presence.begin();
    presence.fail();
    presence.tick();
    presence.end();
  }
  test.passes(10n);
  assert.equal(test.gaps()[0]?.firstNs, 100n * SECOND_NS);
  {
    using presence = test.open();
    presence.begin();
    presence.tick();
  }
  assert.equal(test.gaps()[0]?.firstNs, 120n * SECOND_NS);
});

Deno.test("AgentPresence does not call a failed run's end orderly", () => {
  using test = new TestHost();
  {
    using presence = test.open();
    presence.begin();
    test.passes(30n);
    presence.fail();
    presence.end();
  }
  using presence = test.open();
  assert.deepEqual(presence.begin(), { isClean: false, durationNs: 30n * SECOND_NS, forks: 0 });
});

Deno.test("AgentPresence counts the time the machine slept", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  test.passes(1n);
  test.asleepNs = 3600n * SECOND_NS;
  const [gap] = test.gaps();
  // Turned into wall time with the offset of now, this is when the first run ended.
  assert.equal(gap?.firstNs, 100n * SECOND_NS - 3600n * SECOND_NS);
  assert.equal(gap?.lastNs, 101n * SECOND_NS);
});

Deno.test("AgentPresence tells a gap although nothing was made in it, or nobody can tell", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  assert.deepEqual(test.gaps().map(({ count }) => count), [0]);
  test.host.addFile("/proc/stat", "cpu  1 2 3\n");
  assert.deepEqual(test.gaps().map(({ count }) => count), [0]);
  test.runsToItsEnd();
  test.made(5000);
  assert.deepEqual(test.gaps().map(({ count }) => count), [0]);
});

Deno.test("AgentPresence knows nothing of another boot, and begins anew", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  test.boot(OTHER_BOOT);
  test.made(10);
  assert.deepEqual(test.gaps(), []);
  assert.match(Deno.readTextFileSync(test.file), new RegExp(OTHER_BOOT));
  assert.deepEqual(test.lines, []);
});

Deno.test("AgentPresence passes over garbage, a link and a time to come, with one warning", () => {
  using test = new TestHost();
  Deno.writeTextFileSync(test.file, "garbage");
  assert.deepEqual(test.gaps(), []);
  assert.equal(test.lines.length, 1);
  assert.match(test.lines[0]!, /last_run.json.*not written by this program, continuing without/);
  Deno.removeSync(test.file);
  Deno.symlinkSync("/etc/passwd", test.file);
  assert.deepEqual(test.gaps(), []);
  assert.ok(Deno.lstatSync(test.file).isFile);
  assert.equal(test.counters.total(FAILURES), 2);
  test.passes(100n);
  test.runsToItsEnd();
  test.awakeNs = 50n * SECOND_NS;
  assert.deepEqual(test.gaps(), []);
});

Deno.test("AgentPresence goes on when it cannot write, counts it and warns once", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  Deno.mkdirSync(`${test.file}.new/full`, { recursive: true });
  {
    using presence = test.open();
    presence.begin();
    for (let turn = 0; turn < 30; turn++) presence.tick();
    presence.end();
  }
  assert.ok(test.counters.total(FAILURES) >= 3);
  assert.equal(test.lines.length, 1);
  Deno.removeSync(`${test.file}.new`, { recursive: true });
  assert.equal(test.gaps().length, 1);
});

Deno.test("AgentPresence neither reads nor writes without a directory of its own", () => {
  using test = new TestHost();
  test.runsToItsEnd();
  const before = Deno.readTextFileSync(test.file);
  using first = test.open();
  const text = JSON.stringify([...Deno.readDirSync(test.directory)]);
  for (const directory of [null, test.directory]) {
    // The second is held by the first run.
    using presence = test.open(directory);
    assert.equal(presence.begin(), undefined);
    for (let turn = 0; turn < 30; turn++) presence.tick();
    presence.end();
    presence[Symbol.dispose]();
    assert.deepEqual(test.losses.take(), []);
  }
  assert.equal(Deno.readTextFileSync(test.file), before);
  assert.equal(JSON.stringify([...Deno.readDirSync(test.directory)]), text);
  assert.equal(test.counters.total(FAILURES), 1);
  assert.ok(first.begin() !== undefined);
});
