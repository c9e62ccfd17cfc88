import assert from "node:assert/strict";
import type { Process } from "../events/mod.ts";
import type { ProcessTree } from "../host.ts";
import { walk } from "./list_processes.ts";
import { formatTable, formatTree } from "./process_list.ts";

interface FakeProcess {
  readonly pid: number;
  readonly binary?: string;
  readonly argv?: readonly string[];
  readonly children?: readonly ProcessTree[];
  readonly parent?: number;
}

function tree({ pid, binary = "/bin/x", argv = ["x"], children = [], parent }: FakeProcess) {
  const process = {
    ...{ execId: `id${pid}`, parentExecId: `id${parent}`, tgid: pid, unknown: false },
    binary: { text: binary },
    argv: argv.map((text) => ({ text })),
    startTimeNs: 0n,
    credentials: { euid: 0, userNsLevel: 0 },
  } as unknown as Process;
  return { process, children };
}

const LOOK = { naming: { userName: () => "root" }, color: false };

const HOST = tree({
  pid: 1,
  binary: "/sbin/init",
  children: [
    tree({ pid: 10, parent: 1, children: [tree({ pid: 12, parent: 10, argv: ["x", "a b"] })] }),
    tree({ pid: 11, parent: 1 }),
  ],
});

Deno.test("formatTree() draws children below their parent", () => {
  assert.deepEqual(formatTree([HOST], LOOK).trimEnd().split("\n"), [
    "    PID USER     EXEC_ID COMMAND",
    "      1 root     id1     /sbin/init",
    "     10 root     id10    ├─ /bin/x",
    '     12 root     id12    │  └─ /bin/x "a b"',
    "     11 root     id11    └─ /bin/x",
  ]);
});

Deno.test("formatTable() lists by pid with the parent's pid", () => {
  const rows = formatTable([HOST], LOOK).trimEnd().split("\n").slice(1)
    .map((row) => row.trim().split(/\s+/).slice(0, 2));
  assert.deepEqual(rows, [["1", "-"], ["10", "1"], ["11", "1"], ["12", "10"]]);
});

Deno.test("formatTree() lets no control character of a process through", () => {
  const hostile = tree({ pid: 5, binary: "/tmp/\x1b[2J\n\u202e", argv: ["x", "\x07\r"] });
  const text = formatTree([hostile], { ...LOOK, color: false });
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.equal(text.trimEnd().split("\n").length, 2);
});

Deno.test("formatTree() cuts lines at the terminal's width, colours or not", () => {
  const long = tree({ pid: 5, argv: ["x", "y".repeat(500)] });
  for (const color of [false, true]) {
    const rows = formatTree([long], { ...LOOK, color, columns: 40 }).trimEnd().split("\n");
    // deno-lint-ignore no-control-regex
    const widths = rows.map((row) => row.replaceAll(/\x1b\[\d+m/g, "").length);
    assert.deepEqual(widths, [32, 40]);
  }
});

Deno.test("formatTree() shows argv[0] when the file may not be read", () => {
  assert.match(
    formatTree([tree({ pid: 5, binary: "", argv: ["sshd", "-D"] })], LOOK),
    / sshd -D\n$/,
  );
});

Deno.test("formatTree() draws a chain of 10,000 processes without recursion", () => {
  let chain = tree({ pid: 10_000 });
  for (let pid = 9_999; pid > 0; pid--) chain = tree({ pid, children: [chain] });
  assert.equal([...walk([chain])].length, 10_000);
  assert.match(formatTree([chain], { ...LOOK, columns: 80 }), /\n {2}10000 root /);
});
