/**
 * The metrics endpoint: HTTP at an address or a unix socket.
 *
 * `node:http` and not `Deno.serve()`, for the reasons of the control server (src/api).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { MetricsCounts } from "./metrics_counts.ts";
import type { MetricsPages, Page } from "./metrics_pages.ts";

/** What a server can be made to bear; the defaults are for the agent, others for tests. */
export interface MetricsLimits {
  /** Connections at a time: some scrapers and a probe. */
  readonly connectionsMax: number;
  /** From the connection to the end of the request. */
  readonly requestTimeoutMs: number;
  /** For the client to take the answer. */
  readonly answerTimeoutMs: number;
}

export const METRICS_LIMITS: MetricsLimits = {
  connectionsMax: 32,
  requestTimeoutMs: 5000,
  answerTimeoutMs: 10_000,
};

/** Where to listen. */
export type ListenPlace =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Nobody listens there; the directory is safe. */
  | { readonly kind: "unix"; readonly path: string };

/** What a server is made with. */
export interface MetricsServerParts {
  readonly place: ListenPlace;
  readonly pages: MetricsPages;
  readonly counts: MetricsCounts;
  readonly limits?: Partial<MetricsLimits>;
}

const HEADER_SIZE_MAX = 8192;
/** With all but the owner's read and write taken away, a socket is made 0600. */
const SOCKET_UMASK = 0o177;
const compress = promisify(gzip);

/** Answers until it is disposed. */
export class MetricsServer implements AsyncDisposable {
  readonly #parts: MetricsServerParts;
  readonly #limits: MetricsLimits;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #isOpen = false;

  private constructor(parts: MetricsServerParts) {
    this.#parts = parts;
    this.#limits = { ...METRICS_LIMITS, ...parts.limits };
    const { requestTimeoutMs } = this.#limits;
    this.#server = createServer({
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // How late a time-out may be noticed.
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 1000),
      maxHeaderSize: HEADER_SIZE_MAX,
    }, (request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket: Socket) => this.#connect(socket));
    this.#server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
      this.#refuse(error.code, socket);
    });
  }

  /**
   * Begins to listen.
   *
   * @throws the error of the system call, such as EADDRINUSE in its `code`
   */
  static async open(parts: MetricsServerParts): Promise<MetricsServer> {
    const server = new MetricsServer(parts);
    await server.#listen(parts.place);
    server.#isOpen = true;
    return server;
  }

  /** The port it listens at; 0 for a unix socket. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Ends all connections: scrapers ask again. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  #listen(place: ListenPlace): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.once("listening", () => {
        this.#server.off("error", reject);
        // Such as too many open files: connections fail, the server does not.
        this.#server.on("error", () => this.#parts.counts.failedConnections.value++);
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

  #connect(socket: Socket): void {
    // Who hangs up at a bad moment harms nobody; without a listener it would end the process.
    socket.on("error", () => {});
    if (this.#connections.size >= this.#limits.connectionsMax) {
      this.#parts.counts.refusedConnections.value++;
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
  }

  /** Bytes that are no HTTP, or that took too long. It may be told several times of one socket. */
  #refuse(code: string | undefined, socket: Socket): void {
    if (socket.destroyed || socket.writableEnded || code === "ECONNRESET") return;
    const isSlow = code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (isSlow) this.#parts.counts.timeouts.value++;
    else this.#parts.counts.malformed.value++;
    const status = isSlow ? "408 Request Timeout" : "400 Bad Request";
    const head = `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    socket.end(head, () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), this.#limits.answerTimeoutMs);
    socket.once("close", () => clearTimeout(timer));
  }

  /** Never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => {});
    response.on("error", () => {});
    const method = request.method ?? "";
    const page = await this.#answer(method, request);
    this.#parts.counts.request(page.page, page.status);
    await this.#send(response, page, method === "HEAD");
  }

  async #answer(method: string, { url, headers }: IncomingMessage): Promise<Page> {
    const { accept, "accept-encoding": encodings } = headers;
    const acceptEncoding = Array.isArray(encodings) ? encodings.join() : encodings;
    try {
      return await this.#parts.pages.answer({ method, target: url ?? "", accept, acceptEncoding });
    } catch (error) {
      // A name or label that the library refuses is a bug of ours; the agent goes on.
      const text = error instanceof Error ? error.message.split("\n")[0]! : String(error);
      const body = `Cannot write the metrics: ${text}\n`;
      const contentType = "text/plain; charset=utf-8";
      return { page: "failed", status: 500, contentType, body, gzip: false };
    }
  }

  /** Resolves when the client has taken the answer, or has gone, or took too long. */
  async #send(response: ServerResponse, page: Page, isHead: boolean): Promise<void> {
    const { status, contentType, headers = {} } = page;
    const plain = Buffer.from(page.body);
    const body = page.gzip ? await compress(plain) : plain;
    const { socket } = response;
    // It has gone meanwhile.
    if (socket === null || socket.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#parts.counts.timeouts.value++;
      socket.destroy();
      resolve();
    }, this.#limits.answerTimeoutMs);
    response.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    response.writeHead(status, {
      ...headers,
      "Content-Type": contentType,
      "Content-Length": body.length,
      "X-Content-Type-Options": "nosniff",
      ...(page.gzip && { "Content-Encoding": "gzip" }),
      // One request per connection: what is left of a body that was not read does not matter.
      "Connection": "close",
    });
    if (isHead) response.end();
    else response.end(body);
    await promise;
  }
}
