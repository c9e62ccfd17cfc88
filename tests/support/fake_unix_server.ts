/**
 * Servers on a unix socket that do what a runtime should not: say nothing, talk rubbish, hang up.
 *
 * @module
 */
import { join } from "node:path";

/** What the server does with one connection. */
export type ConnectionScript = (connection: Deno.Conn) => Promise<void>;

/** A server that runs a script for each connection until it is disposed. */
export class FakeUnixServer {
  readonly socketPath: string;
  /** Connections so far. */
  connections = 0;
  readonly #folder: string;
  readonly #listener: Deno.Listener;
  readonly #open = new Set<Deno.Conn>();
  readonly #serving: Promise<void>;

  constructor(script: ConnectionScript) {
    this.#folder = Deno.makeTempDirSync({ prefix: "shrike-fake-" });
    this.socketPath = join(this.#folder, "s.sock");
    this.#listener = Deno.listen({ transport: "unix", path: this.socketPath });
    this.#serving = this.#serve(script);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) close(connection);
    await this.#serving;
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #serve(script: ConnectionScript): Promise<void> {
    const running: Promise<void>[] = [];
    for await (const connection of this.#listener) {
      this.connections += 1;
      this.#open.add(connection);
      // The other side may hang up at any moment; that is no failure of the server.
      const done = script(connection).catch(() => {}).finally(() => {
        this.#open.delete(connection);
        close(connection);
      });
      running.push(done);
    }
    await Promise.all(running);
  }
}

/** Reads until the other side closes. Never answers. */
export async function hang(connection: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4096);
  while (await connection.read(buffer) !== null);
}

/** Writes all of a text or of bytes. */
export async function send(connection: Deno.Conn, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads a request up to the blank line and gives its first line. */
export async function readRequest(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(4096);
  while (!text.includes("\r\n\r\n")) {
    const size = await connection.read(buffer);
    if (size === null) throw new Error("The request is cut");
    text += new TextDecoder().decode(buffer.subarray(0, size));
  }
  return text.slice(0, text.indexOf("\r\n"));
}

/** An HTTP answer with JSON. */
export function jsonAnswer(body: unknown, status = 200): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status} Status\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${new TextEncoder().encode(text).length}\r\n\r\n${text}`;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // The script or the peer has closed it.
  }
}
