/**
 * Programs that use the network for a test, each in a process of its own:
 * `deno run network_client.ts WHAT ARGUMENT...`
 *
 * @module
 */
import { createSocket } from "node:dgram";

type Conn = Deno.TcpConn;

/** Reads `size` bytes, or all up to the end. */
async function take(connection: Conn, size = Infinity): Promise<Uint8Array> {
  const parts: number[] = [];
  let taken = 0;
  const buffer = new Uint8Array(65_536);
  while (taken < size) {
    const count = await connection.read(buffer.subarray(0, Math.min(buffer.length, size - taken)));
    if (count === null) break;
    taken += count;
    // What is long is only counted.
    if (taken <= buffer.length) parts.push(...buffer.subarray(0, count));
  }
  return new Uint8Array(parts);
}

async function put(connection: Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

async function serve(hostname: string, port: number, size: number, answer: number): Promise<void> {
  using listener = Deno.listen({ hostname, port });
  say("listening");
  using connection = await listener.accept();
  await take(connection, size);
  await put(connection, new Uint8Array(answer));
  await take(connection);
}

/** The server is the last to close: no packet of the connection is without a socket. */
async function send(hostname: string, port: number, size: number, answer: number): Promise<void> {
  using connection = await Deno.connect({ hostname, port });
  await put(connection, new Uint8Array(size));
  await take(connection, answer);
  say("exchanged");
  await Deno.stdin.read(new Uint8Array(1));
  await connection.closeWrite();
  await take(connection);
}

async function resolve(port: number, questions: readonly string[]): Promise<void> {
  for (const question of questions) {
    const [name = "", type = "A"] = question.split("/");
    const nameServer = { ipAddr: "127.0.0.1", port };
    const answers = await Deno.resolveDns(name, type as "A" | "TXT", { nameServer })
      .catch((error) => error.name);
    say(JSON.stringify(answers));
  }
}

async function connect(hostname: string, port: number): Promise<void> {
  using _ = await Deno.connect({ hostname, port });
}

/** A query over TCP in two pieces: its size, then the message. */
async function askInPieces(port: number, name: string): Promise<void> {
  const labels = name.split(".").flatMap((label) => [
    label.length,
    ...new TextEncoder().encode(label),
  ]);
  const message = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1];
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.setNoDelay(true);
  await put(connection, Uint8Array.of(0, message.length));
  await put(connection, Uint8Array.from(message));
  const [high = 0, low = 0] = await take(connection, 2);
  const answer = await take(connection, high << 8 | low);
  say(JSON.stringify(Array.from(answer.subarray(-4))));
}

async function throwDatagrams(port: number, texts: readonly string[]): Promise<void> {
  const socket = createSocket("udp4");
  for (const text of texts) {
    const bytes = Uint8Array.from(text.match(/../g)!, (digits) => parseInt(digits, 16));
    await new Promise((done) => socket.send(bytes, port, "127.0.0.1", done));
  }
  socket.close();
}

if (import.meta.main) {
  const [what, first = "", ...rest] = Deno.args;
  const [port = 0, size = 0, answer = 0] = rest.map(Number);
  if (what === "serve") await serve(first, port, size, answer);
  else if (what === "send") await send(first, port, size, answer);
  else if (what === "connect") await connect(first, port);
  else if (what === "resolve") await resolve(Number(first), rest);
  else if (what === "pieces") await askInPieces(Number(first), rest[0]!);
  else if (what === "datagrams") await throwDatagrams(Number(first), rest);
  else throw new Error(`Cannot do "${what}": it is not known`);
}
