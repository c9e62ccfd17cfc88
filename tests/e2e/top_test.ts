/** What `shrike top` shows of an agent that counts; the traffic is this test's own on loopback. */
import assert from "node:assert/strict";
import { RunningShrike, runShrike, runTrue, type ShrikeOptions } from "./shrike_process.ts";

const SIZE = 4 * 1024 * 1024;
const CONNECTIONS = 8;
const EXECS_INTERVAL_MS = 50;

interface Row {
  readonly owner: string;
  readonly key: string;
  readonly bytes_received_per_second: number;
  readonly bytes_sent_per_second: number;
  readonly packets_sent_per_second: number;
  readonly execs_per_second: number;
  readonly workload?: { readonly kind: string };
}

interface TopLine {
  readonly interval_ns: string;
  readonly state: { readonly state: string };
  readonly programs?: { readonly cpu_share: number; readonly runs_per_second: number };
  readonly workloads: readonly Row[];
}

/** Connections of this process with itself that carry bytes as fast as they go. */
class LoopbackTraffic implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #ends: Deno.Conn[] = [];
  readonly #under: Promise<unknown>[] = [];
  #isStopped = false;

  static async start(): Promise<LoopbackTraffic> {
    const traffic = new LoopbackTraffic();
    for (let i = 0; i < CONNECTIONS; i++) await traffic.#connect();
    return traffic;
  }

  async #connect(): Promise<void> {
    const { port } = this.#listener.addr as Deno.NetAddr;
    const accepted = this.#listener.accept();
    const near = await Deno.connect({ hostname: "127.0.0.1", port });
    const far = await accepted;
    this.#ends.push(near, far);
    this.#under.push(this.#send(near), this.#take(far));
  }

  async #send(end: Deno.Conn): Promise<void> {
    const bytes = new Uint8Array(SIZE / 64);
    try {
      while (!this.#isStopped) {
        await end.write(bytes);
        // As long as the machine has other things to do.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    } catch {
      // It was closed.
    }
  }

  async #take(end: Deno.Conn): Promise<void> {
    const bytes = new Uint8Array(SIZE / 64);
    try {
      while (await end.read(bytes) !== null);
    } catch {
      // It was closed.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#ends) end.close();
    this.#listener.close();
    await Promise.all(this.#under);
  }
}

function sum(rows: readonly Row[], amount: (row: Row) => number): number {
  return rows.reduce((total, row) => total + amount(row), 0);
}

async function withAgent(test: (options: ShrikeOptions) => Promise<void>, ...args: string[]) {
  const folder = Deno.makeTempDirSync({ prefix: "shrike-e2e-" });
  const options = { env: { SHRIKE_CONTROL_SOCKET: `${folder}/run/control.sock` } };
  try {
    await using _ = await RunningShrike.start(args, options);
    await test(options);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("shrike top shows what the running agent counts", async () => {
  await withAgent(async (options) => {
    await using _ = await LoopbackTraffic.start();
    const timer = setInterval(() => void runTrue("top"), EXECS_INTERVAL_MS);
    const top = ["top", "--once", "--interval", "1s"];
    const json = await runShrike([...top, "-o", "json"], options);
    const table = await runShrike(top, options);
    const hosts = await runShrike([...top, "-o", "json", "--kind", "session"], options);
    clearInterval(timer);
    assert.equal(json.code, 0, json.stderr);
    const line: TopLine = JSON.parse(json.stdout);
    assert.ok(Number(line.interval_ns) >= 1e9);
    const { workloads, programs } = line;
    const most = CONNECTIONS * SIZE;
    for (const rate of ["bytes_received_per_second", "bytes_sent_per_second"] as const) {
      const bytes = sum(workloads, (row) => row[rate]);
      assert.ok(bytes > SIZE / 64 && bytes < 100 * most, `${rate} ${bytes}`);
    }
    assert.ok(sum(workloads, (row) => row.execs_per_second) >= 1);
    assert.ok(programs !== undefined && programs.runs_per_second > 0 && programs.cpu_share < 2);
    assert.deepEqual(workloads.slice(-3).map(({ owner }) => owner).sort(), [
      "ended",
      "other",
      "unknown",
    ]);
    assert.match(
      table.stdout,
      / rows active {2}in .*\/s {2}out .*\/s {2}BPF \d+\.\d\d % of a CPU\n/,
    );
    assert.match(table.stdout, /\n +IN +OUT PKTS IN PKTS OUT CONNS EXECS WORKLOAD\n/);
    const kinds = (JSON.parse(hosts.stdout) as TopLine).workloads.map((row) => row.workload?.kind);
    assert.ok(kinds.every((kind) => kind === "session"));
  }, "--bpf-stats");
});

Deno.test("shrike top says that traffic is not counted, and shows execs all the same", async () => {
  await withAgent(async (options) => {
    const timer = setInterval(() => void runTrue("top"), EXECS_INTERVAL_MS);
    const top = ["top", "--once", "--interval", "1s"];
    const { code, stdout } = await runShrike(top, options);
    clearInterval(timer);
    assert.equal(code, 0);
    assert.match(stdout, /in 0 B\/s {2}out 0 B\/s {2}BPF \? \(--bpf-stats\)\n/);
    assert.match(stdout, /\nTraffic is not counted: it is switched off \(use --network\)\n/);
    assert.match(stdout, /\n0 B\/s 0 B\/s +0 +0 +- +[1-9][0-9.]* /);
  }, "--network=false");
});
