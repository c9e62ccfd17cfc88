/**
 * Connections with one request each, and what becomes of those that are too many or too slow.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { type HttpRequest, RequestReader } from "./request_reader.ts";

/** What a server can be made to bear. */
export interface HttpLimits {
  /** Connections at a time. */
  readonly connectionsMax: number;
  /** Bytes; undefined when bodies are not read. */
  readonly bodySizeMax: number | undefined;
  /** From the connection to the end of the headers, and of the whole request. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For the client to take the answer. */
  readonly answerTimeoutMs: number;
}

/** An answer; length and connection are said by the server. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How a client was turned away. */
export type Refusal = "malformed" | "slow" | "refused" | "displaced" | "failed";

/** Who answers. */
export interface HttpHandler {
  /**
   * Must not reject.
   *
   * @param ended resolves when the client has taken the answer, or has gone, or took too long
   */
  answer(request: HttpRequest, ended: Promise<void>): Promise<HttpAnswer>;
  /** What a client is told that sent no HTTP or took too long. */
  explain(refusal: "malformed" | "slow"): HttpAnswer;
  /** Called for each client that is turned away. */
  refused(refusal: Refusal): void;
}

/** Where to listen. */
export type ListenPlace =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Nobody listens there; the directory is safe. */
  | { readonly kind: "unix"; readonly path: string };

/** With all but the owner's read and write taken away, a socket is made 0600. */
const SOCKET_UMASK = 0o177;
/** For a client to close after its answer. */
const LINGER_MS = 1000;
/** Bytes thrown away meanwhile: a client that still sends must see its answer, not a reset. */
const LINGER_SIZE_MAX = 256 * 1024;
/** Who has not taken its answer for so long gives way. */
const STALLED_MS = 1000;

/** Answers until it is closed. */
export class HttpServer {
  readonly #limits: HttpLimits;
  readonly #handler: HttpHandler;
  readonly #server: Server;
  /** In the order in which they came. */
  readonly #connections = new Set<Connection>();

  constructor(limits: HttpLimits, handler: HttpHandler) {
    this.#limits = limits;
    this.#handler = handler;
    // Who has closed the sending half is answered.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#connect(socket));
  }

  /** The port it listens at; 0 for a unix socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** @throws the error of the system call, such as EADDRINUSE in its `code` */
  listen(place: ListenPlace): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.once("listening", () => {
        this.#server.off("error", reject);
        // Such as too many open files: connections fail, the server does not.
        this.#server.on("error", () => this.#handler.refused("failed"));
        resolve();
      });
      if (place.kind === "tcp") {
        this.#server.listen(place.port, place.host);
        return;
      }
      // bind(2) happens within listen(), and the socket must not be open to others for a moment.
      const before = Deno.umask(SOCKET_UMASK);
      try {
        this.#server.listen(place.path);
      } finally {
        Deno.umask(before);
      }
    });
  }

  /** Takes no more connections, and ends those there are when `work` has settled. */
  async close(work: Promise<unknown> = Promise.resolve()): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await work;
    for (const connection of this.#connections) connection.end();
    await closed;
  }

  /** Ends the connection that has not taken its answer for longest, if any is that slow. */
  displaceStalled(): boolean {
    return this.#displace(({ state, ageMs }) => state === "sending" && ageMs >= STALLED_MS);
  }

  #connect(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connectionsMax && !this.#makeRoom()) {
      // Who hangs up at a bad moment harms nobody; without a listener it would end the process.
      socket.on("error", () => {});
      this.#handler.refused("refused");
      socket.destroy();
      return;
    }
    const connection = new Connection(socket, this.#limits, this.#handler);
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }

  #makeRoom(): boolean {
    return this.#displace(({ state }) => state === "lingering", false) ||
      this.#displace(({ state }) => state === "reading") || this.displaceStalled();
  }

  #displace(isOne: (connection: Connection) => boolean, isCounted = true): boolean {
    for (const connection of this.#connections) {
      if (!isOne(connection)) continue;
      if (isCounted) this.#handler.refused("displaced");
      connection.end();
      this.#connections.delete(connection);
      return true;
    }
    return false;
  }
}

/** A client, its request and its answer. */
class Connection {
  state: "reading" | "answering" | "sending" | "lingering" = "reading";
  /** Resolves when nothing is left of it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #limits: HttpLimits;
  readonly #handler: HttpHandler;
  readonly #reader: RequestReader;
  readonly #ended = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sinceMs = performance.now();
  #hadHead = false;
  #discardedSize = 0;

  constructor(socket: Socket, limits: HttpLimits, handler: HttpHandler) {
    this.#socket = socket;
    this.#limits = limits;
    this.#handler = handler;
    this.#reader = new RequestReader(limits.bodySizeMax);
    this.closed = this.#ended.promise;
    socket.on("error", () => {});
    socket.on("close", () => this.#close());
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("end", () => this.#endOfInput());
    this.#after(limits.headersTimeoutMs, () => this.#refuse("slow"));
  }

  /** Time in this state. */
  get ageMs(): number {
    return performance.now() - this.#sinceMs;
  }

  end(): void {
    this.#socket.destroy();
    this.#close();
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#ended.resolve();
  }

  #after(timeMs: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, timeMs);
  }

  #enter(state: Connection["state"]): void {
    this.state = state;
    this.#sinceMs = performance.now();
  }

  #take(bytes: Buffer): void {
    if (this.state !== "reading") {
      this.#discardedSize += bytes.length;
      if (this.#discardedSize > LINGER_SIZE_MAX) this.end();
      return;
    }
    const request = this.#reader.push(bytes);
    if (request !== undefined) return this.#decide(request);
    if (this.#hadHead || !this.#reader.hasHead) return;
    this.#hadHead = true;
    if (this.#reader.expectsContinue) this.#socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    const leftMs = Math.max(0, this.#limits.requestTimeoutMs - this.ageMs);
    this.#after(leftMs, () => this.#refuse("slow"));
  }

  #endOfInput(): void {
    if (this.state === "lingering") return this.end();
    if (this.state !== "reading") return;
    const request = this.#reader.end();
    if (request === undefined) this.end();
    else this.#decide(request);
  }

  #decide(request: HttpRequest | "malformed"): void {
    if (request === "malformed") this.#refuse("malformed");
    else void this.#answer(request);
  }

  async #answer(request: HttpRequest): Promise<void> {
    clearTimeout(this.#timer);
    this.#enter("answering");
    // What else it sends stays in the kernel, which makes the client wait.
    this.#socket.pause();
    const sent = Promise.withResolvers<void>();
    const ended = Promise.race([sent.promise, this.closed]);
    const answer = await this.#handler.answer(request, ended);
    this.#send(answer, request.method === "HEAD", sent.resolve);
  }

  #refuse(refusal: "malformed" | "slow"): void {
    this.#handler.refused(refusal);
    clearTimeout(this.#timer);
    this.#socket.pause();
    this.#send(this.#handler.explain(refusal), false, () => {});
  }

  #send({ status, headers, body }: HttpAnswer, isHead: boolean, onSent: () => void): void {
    // It has gone meanwhile.
    if (this.#socket.destroyed) return;
    this.#enter("sending");
    this.#after(this.#limits.answerTimeoutMs, () => {
      this.#handler.refused("slow");
      this.end();
    });
    const fields = Object.entries({
      ...headers,
      "Content-Length": body.length,
      "Date": new Date().toUTCString(),
      "Connection": "close",
    }).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${fields}\r\n`;
    this.#socket.once("finish", () => {
      onSent();
      this.#linger();
    });
    this.#socket.write(head, "latin1");
    if (isHead || body.length === 0) this.#socket.end();
    else this.#socket.end(body);
  }

  #linger(): void {
    this.#enter("lingering");
    this.#after(LINGER_MS, () => this.end());
    if (this.#socket.readableEnded) this.end();
    else this.#socket.resume();
  }
}
