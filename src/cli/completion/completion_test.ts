import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { createProgram } from "../program.ts";
import { completionScript } from "./mod.ts";
import type { Shell } from "./shell.ts";

function script(shell: Shell): string {
  const program = createProgram({
    environment: {},
    isStdoutTerminal: false,
    isStdinTerminal: false,
    isStderrTerminal: false,
    columns: () => 80,
    writeOut: () => {},
    checkOut: () => {},
    writeError: () => {},
    watchSignals: () => assert.fail("no command waits here"),
  }, () => Promise.resolve());
  return completionScript(shell, program);
}

function isInstalled(shell: Shell): boolean {
  return spawnSync(shell, ["-c", "exit 0"]).status === 0;
}

function runShell(shell: Shell, args: readonly string[], input: string): string {
  const { status, stdout, stderr } = spawnSync(shell, args, { input });
  assert.equal(status, 0, Buffer.from(stderr).toString());
  return Buffer.from(stdout).toString();
}

/** What bash offers when the cursor stands at the end of the last word. */
function bashReplies(words: readonly string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(" ");
  const output = runShell(
    "bash",
    ["--norc"],
    `${script("bash")}
COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}
_shrike
printf '%s\\n' "\${COMPREPLY[@]}"`,
  );
  return output.split("\n").filter((line) => line !== "");
}

Deno.test("bashScript() is valid bash", () => {
  runShell("bash", ["-n"], script("bash"));
});

Deno.test("bashScript() completes commands, flags, values and words", () => {
  const cases: [string[], string[]][] = [
    [
      ["shrike", ""],
      [
        ...[
          "run",
          "ps",
          "cgroups",
          "workloads",
          "top",
          "policy",
          "doctor",
          "install",
          "uninstall",
          "version",
        ],
        ...["completion", "help"],
      ],
    ],
    [["shrike", "uninstall", "--p"], ["--prefix", "--purge"]],
    [["shrike", "r"], ["run"]],
    [["shrike", "-"], ["--help", "-h"]],
    [["shrike", "run", "--max"], ["--max-events"]],
    [["shrike", "run", "-o", ""], ["json", "compact", "table"]],
    [["shrike", "run", "--output", "c"], ["compact"]],
    [["shrike", "run", "--output", "=", "t"], ["table"]],
    [["shrike", "run", "--output", "="], ["json", "compact", "table"]],
    [["shrike", "run", "--existing", "=", "f"], ["false"]],
    [["shrike", "run", "--existing", "--max"], ["--max-events"]],
    [["shrike", "ps", "-o", "t"], ["tree", "table"]],
    [["shrike", "run", "--pid", ""], []],
    [["shrike", "workloads", "--kind", "c"], ["container"]],
    [["shrike", "completion", "f"], ["fish"]],
    [["shrike", "help", "ve"], ["version"]],
  ];
  for (const [words, replies] of cases) {
    assert.deepEqual(bashReplies(words), replies, words.join(" "));
  }
});

Deno.test("bashScript() completes file names for --config", () => {
  assert.deepEqual(
    bashReplies(["shrike", "run", "--config", "/etc/passw"]).sort()[0],
    "/etc/passwd",
  );
});

Deno.test({
  name: "zshScript() is valid zsh and registers itself when it is sourced",
  ignore: !isInstalled("zsh"),
  fn: () => {
    const text = script("zsh");
    runShell("zsh", ["-f", "-n"], text);
    const loaded = runShell(
      "zsh",
      ["-f"],
      `autoload -Uz compinit && compinit -u -D\n${text}\nprint -r -- $_comps[shrike]\n`,
    );
    assert.equal(loaded.trim(), "_shrike");
  },
});

Deno.test({
  name: "fishScript() is valid fish and completes commands, flags and values",
  ignore: !isInstalled("fish"),
  fn: () => {
    const text = script("fish");
    const replies = (line: string) =>
      runShell("fish", ["--no-config"], `${text}\ncomplete -C '${line}'\n`)
        .split("\n").filter((reply) => reply !== "").map((reply) => reply.split("\t")[0]!);
    assert.deepEqual(replies("shrike r"), ["run"]);
    assert.deepEqual(replies("shrike run --max"), ["--max-events"]);
    assert.deepEqual(replies("shrike run --output c"), ["compact"]);
    assert.deepEqual(replies("shrike run -o ").sort(), ["compact", "json", "table"]);
    assert.deepEqual(replies("shrike completion f"), ["fish"]);
    assert.deepEqual(replies("shrike ps --max"), []);
    assert.ok(replies("shrike run --config /etc/passw").includes("/etc/passwd"));
  },
});
