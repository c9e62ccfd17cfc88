/** The subcommands that look and tell. */
import assert from "node:assert/strict";
import { makeMark, runShrike } from "./shrike_process.ts";

Deno.test("shrike version names all its parts", async () => {
  const { code, stdout, stderr } = await runShrike(["version", "-o", "json"]);
  assert.equal(code, 0, stderr);
  const version = JSON.parse(stdout);
  for (const key of ["version", "commit", "deno", "v8", "libbpf", "kernel"]) {
    assert.match(String(version[key]), /\w/, key);
  }
  assert.equal(version.kernel, Deno.osRelease());
  assert.match(stdout, /process/);
  const text = (await runShrike(["version"])).stdout;
  for (const key of ["deno", "libbpf", "kernel"]) assert(text.includes(String(version[key])), key);
});

Deno.test("shrike ps shows this process below its parent", async () => {
  const mark = makeMark("listed");
  const child = new Deno.Command("/bin/sh", { args: ["-c", "read line", mark], stdin: "piped" })
    .spawn();
  try {
    const { code, stdout, stderr } = await runShrike(["ps", "-o", "json"]);
    assert.equal(code, 0, stderr);
    const rows = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const listed = rows.map((row) => row.process ?? row).find((row) => row.argv?.includes(mark));
    assert.equal(listed?.pid, child.pid);
    const own = rows.map((row) => row.process ?? row).find((row) => row.pid === Deno.pid);
    assert.equal(listed.parent_exec_id, own.exec_id);
    const tree = (await runShrike(["ps", "--pid", String(child.pid)])).stdout;
    assert(tree.includes(mark));
    assert.equal(tree.trimEnd().split("\n").filter((line) => /\[?\d+/.test(line)).length, 1, tree);
  } finally {
    child.kill("SIGKILL");
    await child.stdin.close().catch(() => {});
    await child.status;
  }
});

Deno.test("shrike --help and each subcommand's --help go to stdout", async () => {
  const commands = ["run", "ps", "cgroups", "workloads", "doctor", "version"];
  for (const args of [["--help"], ...commands.map((command) => [command, "--help"])]) {
    const { code, stdout, stderr } = await runShrike(args);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /^Usage: shrike/, args.join(" "));
  }
});

/** What bash would offer after `words`, by the script that `shrike completion bash` prints. */
async function completeInBash(script: string, words: readonly string[]): Promise<string[]> {
  const ask = `
source /dev/stdin || exit 9
eval "set -- $(complete -p shrike)"
while [ "$1" != -F ]; do shift; done
COMP_WORDS=("\${WORDS[@]}"); COMP_CWORD=$((\${#WORDS[@]} - 1)); COMP_LINE="\${WORDS[*]}"
COMP_POINT=\${#COMP_LINE}; COMPREPLY=()
"$2" shrike "\${WORDS[-1]}" "\${WORDS[-2]}"
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const array = words.map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("bash", {
    args: ["--norc", "-c", `WORDS=(${array})\n${ask}`],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").map((word) => word.trim())
    .filter((word) => word !== "");
}

Deno.test("shrike completion bash completes commands, options and values", async () => {
  const { code, stdout } = await runShrike(["completion", "bash"]);
  assert.equal(code, 0);
  assert.deepEqual(await completeInBash(stdout, ["shrike", "ru"]), ["run"]);
  assert((await completeInBash(stdout, ["shrike", "run", "--max"])).includes("--max-events"));
  assert.deepEqual(await completeInBash(stdout, ["shrike", "run", "-o", "js"]), ["json"]);
  const kinds = await completeInBash(stdout, ["shrike", "workloads", "--kind", "s"]);
  assert.deepEqual(kinds.sort(), ["scope", "service", "session", "slice"]);
});

Deno.test("shrike completion has a script for zsh and fish, and refuses other shells", async () => {
  for (
    const [shell, word] of [["zsh", "#compdef shrike"], ["fish", "complete -c shrike"]] as const
  ) {
    const { code, stdout } = await runShrike(["completion", shell]);
    assert.equal(code, 0);
    assert(stdout.includes(word), shell);
    assert(stdout.includes("max-events"), shell);
  }
  const { code, stderr } = await runShrike(["completion", "fsh"]);
  assert.equal(code, 2);
  assert.match(stderr, /fish/);
});
