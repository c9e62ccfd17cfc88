import assert from "node:assert/strict";
import {
  EMPTY_SUMS,
  FakeNetworkService,
  sampleTraffic,
} from "../../tests/support/fake_network_service.ts";
import { LoggedLines } from "../../tests/support/logged_lines.ts";
import { ControlServer } from "../api/mod.ts";
import type { OptionName } from "../config/mod.ts";
import type { Workload } from "../events/mod.ts";
import { columnsOf } from "../export/mod.ts";
import type { NetworkService } from "../network/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { ExitCode, runCli, type Terminal } from "./mod.ts";
import { type Page, type PageScreen, pageText } from "./screen.ts";
import { showTop } from "./show_top.ts";
import { topLines, type TopPage } from "./top_table.ts";
import { ratesBetween } from "./traffic_rates.ts";

const WEB: Workload = {
  ...{ kind: "container", name: "web\x1b[2J", id: "ab12", source: "runtime" },
  container: { runtime: "docker", id: "ab12", name: "web" },
};
const SSH: Workload = {
  ...{ kind: "service", name: "ssh.service", id: "/system.slice/ssh.service", source: "path" },
  unit: { name: "ssh.service" },
};

const IDLE: Workload = { ...SSH, name: "idle.service", unit: { name: "idle.service" } };

/** An agent that counts, a command that asks it, and the hand on the keys. */
class Scene implements AsyncDisposable {
  readonly network = new FakeNetworkService();
  readonly screens: FakeScreen[] = [];
  out = "";
  error = "";
  /** Called while the command waits for the interval to pass. */
  onWait: () => void = () => {};
  readonly #folder = Deno.makeTempDirSync({ prefix: "shrike-top-" });
  readonly #stop = Promise.withResolvers<Deno.Signal>();
  #server: ControlServer | undefined;

  static async open(network?: NetworkService): Promise<Scene> {
    const scene = new Scene();
    scene.#server = await ControlServer.open({
      path: `${scene.#folder}/c.sock`,
      agent: { version: "1", pid: 1, sinceNs: 0n },
      policies: undefined,
      network: network ?? scene.network,
      ...{ counters: new Counters(), log: new LoggedLines() },
    });
    return scene;
  }

  /** Somebody asks for an end. */
  stop(): void {
    this.#stop.resolve("SIGINT");
  }

  terminal({ isTerminal = false } = {}): Terminal {
    return {
      environment: {
        SHRIKE_CONTROL_SOCKET: `${this.#folder}/c.sock`,
        ...{ SHRIKE_CONFIG: "/dev/null", NO_COLOR: "1" },
      },
      isStdinTerminal: false,
      isStdoutTerminal: isTerminal,
      isStderrTerminal: isTerminal,
      columns: () => 100,
      writeOut: (text) => void (this.out += text),
      checkOut: () => {},
      writeError: (text) => void (this.error += text),
      watchSignals: () => ({ stopped: this.#stop.promise, [Symbol.dispose]: () => {} }),
    };
  }

  show(flags: Partial<Record<OptionName, string[]>> = {}, isTerminal = false): Promise<ExitCode> {
    const typed = { flags: new Map(Object.entries(flags) as [OptionName, string[]][]) };
    return showTop(typed, this.terminal({ isTerminal }), {
      openScreen: () => {
        const screen = new FakeScreen();
        this.screens.push(screen);
        return screen;
      },
      wait: async () => {
        this.onWait();
        // The promise that ends the command has its turn.
        await Promise.resolve();
        await Promise.resolve();
        await Promise.resolve();
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAgent();
    Deno.removeSync(this.#folder, { recursive: true });
  }

  async closeAgent(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }
}

class FakeScreen implements PageScreen {
  readonly pages: string[][] = [];
  isDisposed = false;
  readonly #quit = Promise.withResolvers<void>();
  readonly quit = this.#quit.promise;

  show(page: Page): void {
    this.pages.push([...page({ columns: 60, rows: 10 })]);
  }

  typeQ(): void {
    this.#quit.resolve();
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
  }
}

/** Each reading has so much more. */
function grow({ network }: Scene): void {
  network.onRead = () => {
    const n = BigInt(network.readings);
    network.rows = [
      sampleTraffic("ssh", { workload: SSH, bytesSent: 10n * n, packetsSent: n, execs: Number(n) }),
      sampleTraffic("web", {
        ...{ workload: WEB, bytesReceived: 2048n * n, packetsReceived: 1200n * n, connections: 3 },
      }),
      sampleTraffic("idle", { workload: IDLE, connections: 1 }),
    ];
    network.programs = { runTimeNs: 2_500_000n * n, runs: 100n * n };
  };
}

Deno.test("showTop() writes a table of one interval once", async () => {
  await using scene = await Scene.open();
  grow(scene);
  assert.equal(await scene.show({ isTopOnce: ["true"] }), ExitCode.ok);
  assert.equal(scene.network.readings, 2);
  const [head, titles, ...rows] = scene.out.trimEnd().split("\n");
  assert.match(
    head!,
    /^[\d:]{8} {2}2 of 6 rows active {2}in 2\.0 KiB\/s {2}out 10 B\/s {2}BPF 0\.25 % of a CPU$/,
  );
  assert.equal(titles, "       IN    OUT PKTS IN PKTS OUT CONNS EXECS WORKLOAD");
  assert.deepEqual(rows, [
    "2.0 KiB/s  0 B/s   1,200        0     3     0 container web\\x1b[2J",
    "    0 B/s 10 B/s       0      1.0     -   1.0 service ssh.service",
  ]);
});

Deno.test("showTop() writes a JSON line with all rows, sorted", async () => {
  await using scene = await Scene.open();
  grow(scene);
  scene.network.networkState = { state: "degraded", reason: "why", hint: "what" };
  const flags = { isTopOnce: ["true"], topFormat: ["json"], topSort: ["sent"] };
  assert.equal(await scene.show(flags), ExitCode.ok);
  assert.equal(scene.out.match(/\n/g)!.length, 1);
  const { time, workloads, ...rest } = JSON.parse(scene.out);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    interval_ns: "1000000000",
    state: { state: "degraded", reason: "why", hint: "what" },
    programs: { cpu_share: 0.0025, runs_per_second: 100 },
  });
  const keys = workloads.map((row: { key: string }) => row.key);
  assert.deepEqual(keys, ["ssh", "idle", "web", "ended", "other", "unknown"]);
  assert.deepEqual(workloads[2], {
    ...{ owner: "workload", key: "web" },
    ...{ bytes_received_per_second: 2048, bytes_sent_per_second: 0 },
    ...{ packets_received_per_second: 1200, packets_sent_per_second: 0 },
    ...{ execs_per_second: 0, connections: 3 },
    workload: {
      ...{ kind: "container", name: "web\x1b[2J", id: "ab12", source: "runtime" },
      container: { runtime: "docker", id: "ab12", name: "web" },
    },
  });
});

Deno.test("showTop() shows chosen workloads alone, and no sums of others", async () => {
  await using scene = await Scene.open();
  grow(scene);
  const json = { isTopOnce: ["true"], topFormat: ["json"] };
  const keys = async (flags: Partial<Record<OptionName, string[]>>) => {
    scene.out = "";
    await scene.show({ ...json, ...flags });
    return JSON.parse(scene.out).workloads.map((row: { key: string }) => row.key);
  };
  assert.deepEqual(await keys({ onlyContainers: ["web"] }), ["web"]);
  assert.deepEqual(await keys({ kinds: ["service"] }), ["ssh", "idle"]);
  assert.deepEqual(await keys({ onlyUnits: ["ssh"], kinds: ["service"] }), ["ssh"]);
});

Deno.test("showTop() writes table after table into a pipe until it is stopped", async () => {
  await using scene = await Scene.open();
  grow(scene);
  let waits = 0;
  scene.onWait = () => {
    if (++waits === 3) scene.stop();
  };
  assert.equal(await scene.show(), ExitCode.ok);
  const tables = scene.out.split("\n\n");
  assert.equal(tables.length, 2);
  for (const table of tables) assert.match(table, /WORKLOAD\n.*container web/);
  assert.equal(scene.screens.length, 0);
});

Deno.test("showTop() says with its exit code that it had no answer yet", async () => {
  await using scene = await Scene.open();
  scene.onWait = () => scene.stop();
  assert.equal(await scene.show({ isTopOnce: ["true"] }), ExitCode.interrupted);
  assert.equal(scene.out, "");
});

Deno.test("showTop() shows pages on a screen until q, and gives the screen back", async () => {
  await using scene = await Scene.open();
  grow(scene);
  let waits = 0;
  scene.onWait = () => {
    if (++waits === 3) scene.screens[0]!.typeQ();
  };
  assert.equal(await scene.show({}, true), ExitCode.ok);
  const [screen] = scene.screens;
  assert.equal(screen!.isDisposed, true);
  assert.equal(scene.out, "");
  assert.equal(screen!.pages.length, 3);
  assert.match(screen!.pages[0]![0]!, /^The first figures come in 2 s; q ends$/);
  for (const page of screen!.pages.slice(1)) {
    assert.match(page.join("\n"), /container web/);
    // The window is narrow: no packets, and no line is wider.
    assert.doesNotMatch(page.join("\n"), /PKTS/);
    for (const line of page) assert.ok(columnsOf(line) <= 60, line);
  }
});

Deno.test("showTop() gives the screen back when the agent goes away", async () => {
  await using scene = await Scene.open();
  grow(scene);
  let closing: Promise<void> | undefined;
  scene.network.onRead = () => {
    if (scene.network.readings === 1) throw new Error("no");
  };
  await assert.rejects(scene.show({}, true), { name: "RefusedError", message: "no" });
  assert.equal(scene.screens[0]!.isDisposed, true);
  scene.onWait = () => closing ??= scene.closeAgent();
  scene.network.onRead = () => {};
  await assert.rejects(scene.show({}, true), { name: "ControlError" });
  assert.equal(scene.screens[1]!.isDisposed, true);
  await closing;
});

Deno.test("shrike top says that no agent runs, or that it counts nothing", async () => {
  await using scene = await Scene.open();
  const terminal = scene.terminal();
  const nobody = {
    ...terminal,
    environment: { ...terminal.environment, SHRIKE_CONTROL_SOCKET: "/nonexistent/c.sock" },
  };
  assert.equal(await runCli(["top"], nobody), ExitCode.failure);
  assert.match(scene.error, /no agent listens there\nhint: start one with shrike run/);
  assert.equal(await runCli(["top", "--sort", "traffc"], terminal), ExitCode.usage);
  assert.match(scene.error, /did you mean traffic\?/);
  assert.equal(await runCli(["top", "--interval", "1ms"], terminal), ExitCode.usage);
  assert.equal(await runCli(["top", "--workload", "contaner/x"], terminal), ExitCode.usage);
  assert.match(scene.error, /did you mean "container"\?/);
});

Deno.test("topLines() says what is wrong, names sums, and cuts to the window", () => {
  const rows = [
    sampleTraffic("u", { owner: "unknown", packetsSent: 1n, bytesSent: 5n }),
    sampleTraffic("x".repeat(200), { packetsSent: 1n }),
  ];
  const interval = ratesBetween(
    { monotonicNs: 0n, workloads: [] },
    { monotonicNs: 1_000_000_000n, workloads: [...rows, ...EMPTY_SUMS] },
  );
  const state = { state: "degraded", reason: "3 sockets\x07", hint: "see doctor" } as const;
  const page: TopPage = { time: new Date(), interval, sort: "traffic", state };
  const [head, warning, titles, long, unknown, ...rest] = topLines(page, {
    ...{ color: false, columns: 80 },
  });
  assert.match(head!, /BPF \? \(--bpf-stats\)$/);
  assert.equal(warning, "Traffic may be another workload's: 3 sockets\\x07 (see doctor)");
  assert.match(titles!, /PKTS IN/);
  assert.equal(columnsOf(long!), 80);
  assert.match(long!, /…$/);
  assert.match(unknown!, / \(not known whose\)$/);
  assert.deepEqual(rest, []);
});

Deno.test("pageText() draws over what was there and never scrolls", () => {
  const size = { columns: 10, rows: 3 };
  const full = pageText(["a", "b", "c", "d"], size);
  assert.equal(full.match(/\n/g)!.length, 2);
  assert.doesNotMatch(full, /d/);
  const part = pageText(["a"], size);
  assert.ok(part.endsWith("\r\n\x1b[J"), JSON.stringify(part));
  assert.ok(part.startsWith("\x1b[H\x1b[Ka"));
});
