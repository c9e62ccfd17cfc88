/** What `shrike run -o json` says about connections that this test makes over loopback. */
import assert from "node:assert/strict";
import type { EventJson, ProcessJson } from "./event_json.ts";
import { RunningShrike } from "./shrike_process.ts";

/** Bodies of the events that are looked at. */
interface SocketBody {
  readonly process?: ProcessJson;
  readonly socket: {
    readonly saddr: string;
    readonly daddr: string;
    readonly sport: number;
    readonly dport?: number;
    readonly daddr_class: string;
  };
  readonly traffic: Readonly<Record<string, string>>;
  readonly outgoing?: boolean;
  readonly started?: boolean;
  readonly ended?: boolean;
  readonly duration_ns?: string;
}

type NetworkJson =
  & EventJson
  & {
    readonly [kind in "flow" | "process_connect" | "process_close"]?: SocketBody;
  };

const SIZE = 200_000;

/** A server that answers one connection with as many bytes as came, and who asks it. */
async function exchange(): Promise<{ readonly port: number; readonly pid: number }> {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  const script = `const c = await Deno.connect({ hostname: "127.0.0.1", port: ${port} });
    const sent = c.writable.getWriter().write(new Uint8Array(${SIZE}));
    let size = 0;
    for await (const part of c.readable) if ((size += part.length) === ${SIZE}) break;
    await sent;`;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", script] }).spawn();
  const connection = await server.accept();
  await connection.readable.pipeTo(connection.writable).catch(() => {});
  assert.equal((await child.status).code, 0);
  return { port, pid: child.pid };
}

/** The client's side of a connection to `port`. */
function clientOf(kind: "flow" | "process_connect" | "process_close", port: number) {
  return (event: NetworkJson) => event[kind]?.socket.dport === port;
}

function bodyOf(event: EventJson, kind: "flow" | "process_connect" | "process_close"): SocketBody {
  return (event as NetworkJson)[kind]!;
}

Deno.test("shrike run tells a connection and the flow of a process that has ended since", async () => {
  const args = ["--enable-flow-events", "--flow-interval", "1s", "--enable-connection-events"];
  await using shrike = await RunningShrike.start(args);
  const { port, pid } = await exchange();
  const [connect, close, flow] = await Promise.all(
    (["process_connect", "process_close", "flow"] as const).map(async (kind) =>
      bodyOf(await shrike.waitFor(clientOf(kind, port), `${kind} to port ${port}`), kind)
    ),
  );
  for (const { process, socket } of [connect!, close!, flow!]) {
    assert.equal(process?.pid, pid);
    assert.deepEqual(
      [socket.saddr, socket.daddr, socket.daddr_class],
      ["127.0.0.1", "127.0.0.1", "loopback"],
    );
  }
  assert(BigInt(connect!.duration_ns!) > 0n);
  const sent = Number(close!.traffic["bytes_sent"]);
  // Segments of loopback are of 64 KiB: headers are far less than a tenth.
  assert(sent > SIZE && sent < 1.1 * SIZE, `${sent} bytes sent`);
  assert(Number(close!.traffic["bytes_received"]) > SIZE);
  assert.deepEqual([flow!.outgoing, flow!.started], [true, true]);
});

Deno.test("shrike run tells the flows of the last interval when it ends", async () => {
  const args = ["--enable-flow-events", "--flow-interval", "1h"];
  await using shrike = await RunningShrike.start(args);
  const { port, pid } = await exchange();
  const { code, stderr } = await shrike.end("SIGINT");
  assert.equal(code, 0, stderr);
  const flows = shrike.events.filter(clientOf("flow", port)).map((event) => bodyOf(event, "flow"));
  assert.equal(flows.length, 1);
  assert.equal(flows[0]!.process?.pid, pid);
  assert(Number(flows[0]!.traffic["bytes_sent"]) > SIZE);
});

Deno.test("shrike run writes no flows and connections unless asked", async () => {
  await using shrike = await RunningShrike.start();
  const { port } = await exchange();
  await shrike.end("SIGINT");
  assert.deepEqual(
    shrike.events.filter((event) => JSON.stringify(event).includes(`"dport":${port}`)),
    [],
  );
});
