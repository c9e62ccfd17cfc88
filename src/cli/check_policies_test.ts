import assert from "node:assert/strict";
import { ExitCode, runCli, type Terminal } from "./mod.ts";

const FIXTURES = new URL("../../tests/fixtures/policies/", import.meta.url).pathname;

const BAD = `apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: bad
spec:
  kprobes:
  - call: tcp_connect
`;

async function check(...args: string[]): Promise<{ code: ExitCode; out: string; error: string }> {
  let [out, error] = ["", ""];
  const terminal: Terminal = {
    environment: {},
    isStdoutTerminal: false,
    isStdinTerminal: false,
    isStderrTerminal: false,
    columns: () => 80,
    writeOut: (text) => void (out += text),
    checkOut: () => {},
    writeError: (text) => void (error += text),
    watchSignals: () => assert.fail("no command waits here"),
  };
  const code = await runCli(["policy", "check", ...args], terminal);
  return { code, out, error };
}

async function withFile(text: string, use: (path: string) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync({ suffix: ".yaml" });
  try {
    Deno.writeTextFileSync(path, text);
    await use(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("shrike policy check tells a line per policy and template", async () => {
  const { code, out, error } = await check(`${FIXTURES}tcp_connect.yaml`);
  assert.deepEqual([code, error], [ExitCode.ok, ""]);
  const [line, note, ...others] = out.split("\n");
  const place = `${FIXTURES}tcp_connect.yaml`;
  const counts = "1 hook, 2 selectors, 7 values, monitor_only";
  assert.equal(line, `${place}:1:1: policy connections-out: ok, ${counts}`);
  assert.match(note!, /:15:19: NotDAddr matches IPv4 and IPv6 only: .*\[note\]$/);
  assert.deepEqual(others, [""]);
  const all = await check(FIXTURES);
  assert.equal(all.code, ExitCode.ok);
  assert.match(all.out, /policy web-paths \(template writable-paths\): ok, 1 hook, 1 selector/);
  assert.match(all.out, /template writable-paths: ok, 2 variables\n/);
});

Deno.test("shrike policy check tells each mistake with its line, and fails", async () => {
  await withFile(BAD, async (path) => {
    const { code, out, error } = await check(path);
    assert.deepEqual([code, out], [ExitCode.usage, ""]);
    assert.equal(
      error,
      `${path}:7:11: "tcp_connect" is no system call (for a function of the kernel write ` +
        "syscall: false beside it)\n     7 |   - call: tcp_connect\n       |           ^\n",
    );
  });
});

Deno.test("shrike policy check -o json tells the same as one object", async () => {
  await withFile(BAD, async (path) => {
    const { code, out, error } = await check("-o", "json", path, `${FIXTURES}deny_open.yaml`);
    assert.deepEqual([code, error], [ExitCode.usage, ""]);
    assert.deepEqual(JSON.parse(out), {
      policies: [{
        name: "deny-open",
        namespace: "payments",
        file: `${FIXTURES}deny_open.yaml`,
        line: 1,
        mode: "monitor",
        hooks: 1,
        selectors: 1,
        values: 2,
      }],
      templates: [],
      problems: [{
        file: path,
        line: 7,
        column: 11,
        path: "spec.kprobes[0].call",
        found: "tcp_connect",
        text: '"tcp_connect" is no system call',
        hint: "for a function of the kernel write syscall: false beside it",
      }],
      omitted_problems: 0,
      notes: [],
    });
  });
});

Deno.test("shrike policy check shows no control character of a file", async () => {
  await withFile(`kind: "\\e[31m"\nmetad\u009bata: 1 # \u202e\n`, async (path) => {
    const { error } = await check(path);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(error, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    assert.match(error, /metad\\x9bata/);
  });
});

Deno.test("shrike policy check fails on a folder without policies, and on no path", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const { code, error } = await check(folder);
    assert.equal(code, ExitCode.usage);
    assert.match(error, /the folder has no policies \(their files end in \.yaml/);
  } finally {
    Deno.removeSync(folder);
  }
  assert.equal((await check()).code, ExitCode.usage);
});
