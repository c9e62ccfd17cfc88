import assert from "node:assert/strict";
import { randomEvent } from "../../tests/support/random_events.ts";
import {
  HOST_NAMESPACES,
  ROOT_CREDENTIALS,
  SAMPLE_TIME_NS,
  SAMPLE_WORKLOAD,
  sampleAmend,
  sampleExec,
  sampleExit,
  sampleFork,
  sampleGap,
  sampleProcess,
  toReference,
  toText,
} from "../../tests/support/sample_events.ts";
import {
  PENDING_WEB,
  POD_WEB,
  SESSION,
  SSH,
  WEB,
  WEB_ID,
} from "../../tests/support/sample_workloads.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { Workload } from "../events/mod.ts";
import { CompactEncoder, wantsColour } from "./compact_encoder.ts";
import { TableEncoder } from "./table_encoder.ts";
import { columnsOf } from "./terminal_columns.ts";
import { formatSpan } from "./timestamp.ts";

const NAMES = {
  userName: (uid: number) => uid === 0 ? "root" : undefined,
  hostNamespaces: HOST_NAMESPACES,
};
const compact = new CompactEncoder({ ...NAMES, colour: false, utc: true });
const table = new TableEncoder({ ...NAMES, columns: 100, utc: true });
const shell = sampleProcess({ tgid: 99, binary: toText("/bin/bash"), argv: [toText("bash")] });

Deno.test("CompactEncoder.encode() tells who started what", () => {
  const event = sampleExec(sampleProcess(), { parent: toReference(shell), marks: ["late"] });
  assert.equal(
    compact.encode(event),
    '23:59:59.000 exec    4242 root     /usr/bin/ls -l "/tmp/a b" <- bash[99] (late)\n',
  );
  const found = sampleExec(sampleProcess({ flags: "procFS rootcwd" }));
  assert.match(compact.encode(found), / runs {4}4242 /);
  assert.match(compact.encode(sampleFork(shell)), / fork {6}99 root {5}\/bin\/bash\n$/);
});

Deno.test("CompactEncoder.encode() tells how a process ended and how long it ran", () => {
  const start = "23:59:59.000 exit    4242 root     /usr/bin/ls";
  const process = sampleProcess();
  assert.equal(compact.encode(sampleExit(process)), `${start} status 0 after 12.3 ms\n`);
  assert.equal(
    compact.encode(sampleExit(process, { signal: "SIGSEGV", coreDumped: true })),
    `${start} SIGSEGV, core dumped after 12.3 ms\n`,
  );
});

Deno.test("CompactEncoder.encode() ends with the workload, of exits too", () => {
  const unknown = { kind: "host", name: "unknown", id: "unknown", source: "none" } as const;
  const cases: [Workload, string][] = [
    [WEB, " in container web"],
    [PENDING_WEB, " in container a1b2c3d4e5f6"],
    [POD_WEB, " in pod prod/web-7d9f/nginx"],
    [{ ...POD_WEB, kind: "pod", name: "prod/web-7d9f" }, " in pod prod/web-7d9f"],
    [{ ...WEB, kind: "machine", name: "deb12" }, " in machine deb12"],
    [SSH, " in ssh.service"],
    [SESSION, " in session 3"],
    [{ ...SSH, reason: "entered_from_outside" }, " in ssh.service"],
    [SAMPLE_WORKLOAD, ""],
    [{ ...unknown, reason: "cgroups_not_followed" }, ""],
    [{ ...unknown, reason: "zero_cgroup_id" }, " in unknown"],
    [{ ...WEB, name: "\x1b[31m\u202e" }, " in container \\x1b[31m\\u{202e}"],
  ];
  for (const [workload, end] of cases) {
    const process = sampleProcess({ workload });
    const exec = compact.encode(sampleExec(process, { marks: ["late"] }));
    assert.ok(exec.endsWith(`-l "/tmp/a b" (late)${end}\n`), exec);
    const exit = compact.encode(sampleExit(process));
    assert.ok(exit.endsWith(`after 12.3 ms${end}\n`), exit);
  }
});

Deno.test("CompactEncoder.encode() tells what an amendment says", () => {
  assert.equal(
    compact.encode(sampleAmend(WEB)),
    `23:59:59.000 name container web (id ${WEB_ID})\n`,
  );
});

Deno.test("TableEncoder.encode() has room for a container's short id in 80 columns", () => {
  const narrow = new TableEncoder({ ...NAMES, columns: 80, utc: true });
  assert.deepEqual([
    narrow.header,
    narrow.encode(sampleExec(sampleProcess({ workload: PENDING_WEB }))),
    narrow.encode(sampleExec(sampleProcess({ workload: SESSION }))),
    narrow.encode(sampleExit(sampleProcess())),
  ], [
    "TIME         EVENT     PID USER     BINARY        WORKLOAD     DETAIL\n",
    '23:59:59.000 exec     4242 root     /usr/bin/ls   a1b2c3d4e5f6 -l "/tmp/a b"\n',
    '23:59:59.000 exec     4242 root     /usr/bin/ls   session 3    -l "/tmp/a b"\n',
    "23:59:59.000 exit     4242 root     /usr/bin/ls   -            status 0 after 1…\n",
  ]);
});

Deno.test("CompactEncoder.encode() says what was lost, where and why", () => {
  assert.equal(
    compact.encode(sampleGap({ cpu: 3, kind: "process_exec", count: 1234 })),
    "23:59:59.000 GAP! 1,234 process_exec records lost on CPU 3: the ring of the kernel was full " +
      "(within 1.5 ms)\n",
  );
  const one = { count: 1, lastTimeNs: SAMPLE_TIME_NS, firstTimeNs: SAMPLE_TIME_NS };
  assert.equal(
    compact.encode(sampleGap({ ...one, cause: "sink_queue_full", sink: "stdout" })),
    "23:59:59.000 GAP! 1 event lost before stdout: the reader of the output was too slow\n",
  );
});

Deno.test("CompactEncoder.encode() shows uids of other users and files without a name", () => {
  const exe = {
    path: toText("/memfd:x"),
    inode: 1n,
    device: { major: 0, minor: 1 },
    links: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    deleted: true,
    memfd: true,
  };
  const credentials = { ...ROOT_CREDENTIALS, euid: 1000 };
  const line = compact.encode(sampleExec(sampleProcess({ exe, credentials })));
  assert.match(line, / 1000 {5}\/usr\/bin\/ls \[memfd\] -l /);
});

Deno.test("CompactEncoder.encode() cuts very long arguments and says by how much", () => {
  const argv = [toText("x"), toText("😀".repeat(2000))];
  const line = compact.encode(sampleExec(sampleProcess({ argv })));
  assert.match(line, /😀… \(1952 more characters\)\n$/u);
});

Deno.test("CompactEncoder.encode() colours with SGR sequences only, and only when asked", () => {
  const colour = new CompactEncoder({ ...NAMES, colour: true, utc: true });
  const gap = colour.encode(sampleGap());
  assert.ok(gap.includes("\x1b[1;97;41mGAP! "), gap);
  const event = sampleExec(sampleProcess({ workload: WEB }));
  const exec = colour.encode(event);
  assert.ok(exec.endsWith("\x1b[2min container web\x1b[0m\n"), exec);
  assert.equal(
    exec.split("\x1b").map((part) => part.replace(/^\[[0-9;]*m/, "")).join(""),
    compact.encode(event),
  );
});

Deno.test("CompactEncoder.encode() tells how long no agent ran, and what the host made", () => {
  const span = { firstTimeNs: SAMPLE_TIME_NS - 3_200_000_000n, lastTimeNs: SAMPLE_TIME_NS };
  const line = (count: number) =>
    compact.encode(sampleGap({ cause: "agent_restart", count, ...span }));
  assert.match(
    line(1234),
    / GAP! no agent ran for 3\.2 s: the host made 1,234 threads and processes\n$/,
  );
  assert.match(line(0), / GAP! no agent ran for 3\.2 s: what it did is not known\n$/);
});

Deno.test("wantsColour() needs a terminal and no NO_COLOR", () => {
  assert.equal(wantsColour({ noColor: undefined, isTerminal: true }), true);
  assert.equal(wantsColour({ noColor: "", isTerminal: true }), true);
  assert.equal(wantsColour({ noColor: "1", isTerminal: true }), false);
  assert.equal(wantsColour({ noColor: undefined, isTerminal: false }), false);
});

Deno.test("TableEncoder.encode() keeps columns under the header and cuts at the width", () => {
  const long = sampleProcess({
    binary: toText(`/opt/${"long".repeat(20)}`),
    argv: ["x", "y".repeat(200)].map(toText),
    tgid: 4_194_304,
  });
  const lines = [
    table.header,
    table.encode(sampleExec(sampleProcess({ workload: WEB }), { parent: toReference(shell) })),
    table.encode(sampleExec(long)),
    table.encode(sampleExit(sampleProcess({ workload: POD_WEB }))),
    table.encode(sampleGap({ cpu: 1 })),
  ];
  assert.deepEqual(lines, [
    "TIME         EVENT     PID    PPID USER     BINARY            WORKLOAD        DETAIL\n",
    '23:59:59.000 exec     4242      99 root     /usr/bin/ls       web             -l "/tmp/a b"\n',
    "23:59:59.000 exec  4194304       - root     /opt/longlonglon… -               " +
    `${"y".repeat(21)}…\n`,
    "23:59:59.000 exit     4242       - root     /usr/bin/ls       prod/web-7d9f/… " +
    "status 0 after 12.3 ms\n",
    "23:59:59.000 GAP!  3 records lost on CPU 1: the ring of the kernel was full (within 1.5 ms)\n",
  ]);
});

Deno.test("forms for people are one safe line for any event, tables never too wide", () => {
  const random = SeededRandom.fromEnvironment("compact_encoder_test");
  const safe = /^[ !-~\p{L}\p{M}\p{N}\p{P}\p{S}]*\n$/u;
  for (let round = 0; round < 5000; round++) {
    const event = randomEvent(random);
    assert.match(compact.encode(event), safe);
    const row = table.encode(event);
    assert.match(row, safe);
    assert.ok(columnsOf(row.slice(0, -1)) <= 100, row);
  }
});

Deno.test("formatSpan() takes the unit that reads best", () => {
  const cases: [bigint, string][] = [
    [-5n, "0 us"],
    [999_999n, "999 us"],
    [999_999_999n, "999.9 ms"],
    [59_999_999_999n, "59.9 s"],
    [61_000_000_000n, "1 min 01 s"],
    [7_500_000_000_000n, "2 h 05 min"],
    [100_800_000_000_000n, "1 d 04 h"],
  ];
  for (const [spanNs, text] of cases) assert.equal(formatSpan(spanNs), text);
});
