/** What `shrike run` writes on a terminal; script(1) makes one. */
import assert from "node:assert/strict";
import { makeMark, runTrue, shrikePath } from "./shrike_process.ts";

/** Starts every control sequence of a terminal. */
const ESC = String.fromCharCode(0x1b);

/** How long a program is run again and again for the agent to see. */
const PROGRAM_INTERVAL_MS = 150;

interface TerminalOptions {
  readonly args?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the agent on a terminal until two events came; `program` is run beside it. */
async function runOnTerminal(
  program: () => Promise<unknown>,
  { args = "", env = {} }: TerminalOptions = {},
): Promise<string> {
  const command = `'${shrikePath()}' run --max-events 2 --summary=false ${args}`;
  const timer = setInterval(program, PROGRAM_INTERVAL_MS);
  try {
    const { code, stdout } = await new Deno.Command("timeout", {
      args: ["-s", "KILL", "30", "script", "-q", "-e", "-c", command, "/dev/null"],
      clearEnv: true,
      env: { PATH: "/usr/bin:/bin", TERM: "xterm", ...env },
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 0, text);
    return text;
  } finally {
    clearInterval(timer);
  }
}

/** Lines without the agent's greeting, which it writes for people on stderr. */
function eventLines(text: string): string[] {
  return text.split("\r\n").filter((line) => line !== "" && !line.startsWith("shrike: "));
}

function runShell(script: string, ...args: string[]): Promise<unknown> {
  return new Deno.Command("/bin/sh", { args: ["-c", script, "sh", ...args] }).output();
}

Deno.test("shrike run writes coloured lines for people on a terminal", async () => {
  const mark = makeMark("pretty");
  const text = await runOnTerminal(() => runTrue(mark), { args: `--filter args~${mark}` });
  const [exec = "", exit = ""] = eventLines(text);
  assert.match(exec, new RegExp(`${ESC}\\[[0-9;]+mexec${ESC}\\[0m +\\d+ .*/bin/true ${mark}`));
  assert.match(exec, /<- deno\[\d+\]/);
  assert.match(exit, new RegExp(`${ESC}\\[[0-9;]+mexit${ESC}\\[0m .*status 0`));
});

Deno.test("shrike run writes no colour with NO_COLOR or --color never", async () => {
  const mark = makeMark("plain");
  const filter = `--filter args~${mark}`;
  const program = () => runTrue(mark);
  const byVariable = await runOnTerminal(program, { args: filter, env: { NO_COLOR: "1" } });
  const byFlag = await runOnTerminal(program, { args: `${filter} --color never` });
  for (const text of [byVariable, byFlag]) {
    assert(text.includes(mark));
    assert.equal(eventLines(text).length, 2, text);
    assert(!text.includes(ESC), JSON.stringify(text));
  }
});

Deno.test("shrike run escapes what a process wants to tell the terminal", async () => {
  const mark = makeMark("evil");
  const evil = "\\033]0;title\\007\\033[2J\\r\\nfake\\tline\\302\\233\\377\\342\\200\\256";
  const script = 'exec /bin/true "$1" "$(printf "$2")"';
  const text = await runOnTerminal(() => runShell(script, mark, evil), {
    args: `--color never --filter binary=/bin/true --filter args~${mark}`,
  });
  // Nothing but printable ASCII, and the line ends that are ours.
  assert.match(text, /^[\x20-\x7e\r\n]*$/);
  const shown = "\\x1b]0;title\\x07\\x1b[2J\\r\\nfake\\tline\\u{9b}\\xff\\u{202e}";
  assert(text.includes(shown), JSON.stringify(text));
  assert.equal(eventLines(text).length, 2);
});
