/**
 * What `shrike top` does to a terminal; script(1) makes one. The agent that it asks counts nothing
 * itself: what a real one counts is the matter of other tests.
 */
import assert from "node:assert/strict";
import { ControlServer } from "../../src/api/mod.ts";
import { Counters } from "../../src/telemetry/mod.ts";
import { eventually } from "../support/eventually.ts";
import { FakeNetworkService, sampleTraffic } from "../support/fake_network_service.ts";
import { LoggedLines } from "../support/logged_lines.ts";
import { shrikePath } from "./shrike_process.ts";

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const INTERVAL = "200ms";
const KILL_AFTER_SECONDS = 60;

/** A window of 60 columns and 8 rows in which `shrike top` runs, and the agent that it asks. */
class Window implements AsyncDisposable {
  readonly network = new FakeNetworkService();
  readonly #folder = Deno.makeTempDirSync({ prefix: "shrike-top-" });
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #server: ControlServer | undefined;
  /** Everything that the terminal was told. */
  text = "";

  private constructor() {
    const path = (name: string) => `${this.#folder}/${name}`;
    const top = `'${shrikePath()}' top --interval ${INTERVAL} --control-socket '${path("c.sock")}'`;
    const inner = `echo $$ > '${path("pid")}'; exec ${top}`;
    Deno.writeTextFileSync(path("inner"), inner);
    // Ctrl-C is for all that run there; this one lives on to tell how it was.
    const outer =
      `trap : INT; tty > '${path("tty")}'; stty rows 8 cols 60; stty -g > '${path("before")}'; ` +
      `sh '${path("inner")}'; echo "code=$?"; stty -g > '${path("after")}'`;
    Deno.writeTextFileSync(path("outer"), outer);
    this.#child = new Deno.Command("timeout", {
      args: [
        ...["-s", "KILL", String(KILL_AFTER_SECONDS), "script", "-q", "-e", "-c"],
        ...[`sh '${path("outer")}'`, "/dev/null"],
      ],
      clearEnv: true,
      env: { PATH: "/usr/bin:/bin", TERM: "xterm", SHRIKE_CONFIG: "/dev/null" },
      ...{ stdin: "piped", stdout: "piped", stderr: "null" },
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Resolves when the first table is there. */
  static async open(): Promise<Window> {
    const pane = new Window();
    pane.network.onRead = () => {
      const n = BigInt(pane.network.readings);
      pane.network.rows = Array.from({ length: 20 }, (_, i) =>
        sampleTraffic(`row-${i}`, {
          ...{ bytesSent: 10n * n * BigInt(20 - i), packetsSent: n },
        }));
    };
    pane.#server = await ControlServer.open({
      path: `${pane.#folder}/c.sock`,
      agent: { version: "1", pid: 1, sinceNs: 0n },
      policies: undefined,
      network: pane.network,
      ...{ counters: new Counters(), log: new LoggedLines() },
    });
    await eventually(() => pane.text.includes("row-0"), "the first table");
    return pane;
  }

  get socket(): string {
    return `${this.#folder}/c.sock`;
  }

  get pid(): number {
    return Number(this.#file("pid"));
  }

  get tty(): string {
    return this.#file("tty").trim();
  }

  /** Modes before the command began. */
  get modesBefore(): string {
    return this.#file("before");
  }

  get modesAfter(): string {
    return this.#file("after");
  }

  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  async closeAgent(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Exit code of the command, and what it wrote once the terminal was given back. */
  async ended(): Promise<{ readonly code: number; readonly rest: string }> {
    await eventually(() => /code=\d+\r?\n/.test(this.text), "the end of the command");
    await this.#child.status;
    await this.#reading;
    const [, code] = /code=(\d+)/.exec(this.text)!;
    const rest = this.text.slice(this.text.lastIndexOf(LEAVE) + LEAVE.length);
    return { code: Number(code), rest: rest.replace(/code=[^]*$/, "") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAgent();
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#keys.close().catch(() => {});
    await this.#child.status;
    await this.#reading;
    Deno.removeSync(this.#folder, { recursive: true });
  }

  #file(name: string): string {
    return Deno.readTextFileSync(`${this.#folder}/${name}`);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) {
      this.text += decoder.decode(bytes, { stream: true });
    }
  }
}

async function runStty(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("stty", { args }).output();
  return new TextDecoder().decode(stdout);
}

/** The lines of the last whole page. */
function lastPage(text: string): string[] {
  const pages = text.split("\x1b[H").slice(0, -1);
  // deno-lint-ignore no-control-regex
  return pages.at(-1)!.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").split(/\r+\n/)
    .filter((line) => line !== "");
}

async function endsWith(keys: string): Promise<void> {
  await using pane = await Window.open();
  assert.ok(pane.text.includes(ENTER));
  assert.notEqual(await runStty("-F", pane.tty, "-g"), pane.modesBefore);
  await pane.type(keys);
  const { code, rest } = await pane.ended();
  assert.deepEqual([code, rest], [0, ""]);
  assert.equal(pane.modesAfter, pane.modesBefore);
  assert.equal(pane.text.split(LEAVE).length, 2);
}

Deno.test("shrike top ends with q and gives the terminal back as it was", () => endsWith("q"));

Deno.test("shrike top ends with Ctrl-C and gives the terminal back as it was", () =>
  endsWith("\x03"));

Deno.test("shrike top fits its window, also when that changes", async () => {
  await using pane = await Window.open();
  await eventually(() => lastPage(pane.text).length > 1, "a whole table");
  const page = lastPage(pane.text);
  assert.equal(page.length, 8, page.join("\n"));
  for (const line of page) assert.ok(line.length <= 60, JSON.stringify(line));
  assert.match(page.at(-1)!, /row-5$/);
  const before = pane.network.readings;
  await runStty("-F", pane.tty, "rows", "4", "cols", "100");
  await eventually(() => {
    const now = lastPage(pane.text);
    return now.length === 4 && now[1]!.includes("PKTS");
  }, "a page for the new window");
  assert.ok(before > 0);
  await pane.type("q");
  assert.equal((await pane.ended()).code, 0);
});

Deno.test("shrike top gives the terminal back when it is told to end", async () => {
  await using pane = await Window.open();
  Deno.kill(pane.pid, "SIGTERM");
  const { code, rest } = await pane.ended();
  assert.deepEqual([code, rest], [0, ""]);
  assert.equal(pane.modesAfter, pane.modesBefore);
});

Deno.test("shrike top gives the terminal back when the agent has gone, and says so", async () => {
  await using pane = await Window.open();
  await pane.closeAgent();
  const { code, rest } = await pane.ended();
  assert.equal(code, 1);
  assert.match(rest, /^shrike: Cannot ask the agent at .*: no agent listens there\r\nhint: /);
  assert.equal(pane.modesAfter, pane.modesBefore);
});

Deno.test("shrike top lends the terminal out while it is stopped", async () => {
  await using pane = await Window.open();
  const { pid, tty } = pane;
  Deno.kill(pid, "SIGTSTP");
  const isStopped = () => / T /.test(Deno.readTextFileSync(`/proc/${pid}/stat`).slice(0, 64));
  await eventually(isStopped, "it is stopped");
  assert.equal(await runStty("-F", tty, "-g"), pane.modesBefore);
  assert.ok(pane.text.endsWith(LEAVE));
  Deno.kill(pid, "SIGCONT");
  await eventually(() => pane.text.split(ENTER).length === 3, "it is back");
  await pane.type("q");
  assert.equal((await pane.ended()).code, 0);
  assert.equal(pane.modesAfter, pane.modesBefore);
});

Deno.test("shrike top writes one table into a pipe with --once", async () => {
  await using pane = await Window.open();
  const { code, stdout } = await new Deno.Command(shrikePath(), {
    args: ["top", "--once", "--interval", "100ms", "--sort", "name"],
    env: { SHRIKE_CONTROL_SOCKET: pane.socket, SHRIKE_CONFIG: "/dev/null" },
  }).output();
  const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
  assert.equal(code, 0);
  assert.equal(lines.length, 22);
  assert.match(lines[2]!, /row-0$/);
  await pane.type("q");
  await pane.ended();
});
