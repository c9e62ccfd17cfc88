/**
 * The agent's end of the control socket: HTTP with JSON, for root on this host.
 *
 * `node:http` and not `Deno.serve()`: only the former ends connections that say nothing or take
 * their time, and tells of bytes that are no HTTP (tried with Deno 2.9.5).
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { NetworkService } from "../network/mod.ts";
import type { PolicyService } from "../policy/mod.ts";
import type { Counters, Log } from "../telemetry/mod.ts";
import { answerRequest } from "./answer_request.ts";
import { ControlCounts } from "./control_counts.ts";
import { ControlError } from "./control_error.ts";
import { ControlSocket } from "./control_socket.ts";
import type { AgentDescription, Answer } from "./routes.ts";

/** What a server can be made to bear; the defaults are for the agent, others for tests. */
export interface ControlLimits {
  /** Connections at a time: a handful of people and scripts ask. */
  readonly connectionsMax: number;
  /** Bytes. */
  readonly bodySizeMax: number;
  /** From the connection to the end of the headers, and of the whole request. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** For the client to take the answer. */
  readonly answerTimeoutMs: number;
  /** For what is under way when the agent stops. */
  readonly closeTimeoutMs: number;
}

export const CONTROL_LIMITS: ControlLimits = {
  connectionsMax: 32,
  bodySizeMax: 1024 * 1024,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  closeTimeoutMs: 2000,
};

/** What a server is made with. */
export interface ControlServerParts {
  readonly path: string;
  readonly agent: AgentDescription;
  /** Undefined: this agent has no policies, which is what it answers. */
  readonly policies: PolicyService | undefined;
  /** Missing: this agent does not count traffic. */
  readonly network?: NetworkService | undefined;
  readonly counters: Counters;
  readonly log: Log;
  readonly limits?: Partial<ControlLimits>;
}

const HEADER_SIZE_MAX = 8192;
/** With all but the owner's read and write taken away, a socket is made 0600. */
const SOCKET_UMASK = 0o177;

/** Answers until it is disposed. */
export class ControlServer implements AsyncDisposable {
  readonly #parts: ControlServerParts;
  readonly #limits: ControlLimits;
  readonly #counts: ControlCounts;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #underWay = new Set<Promise<void>>();
  #place: ControlSocket | undefined;

  private constructor(parts: ControlServerParts) {
    this.#parts = parts;
    this.#limits = { ...CONTROL_LIMITS, ...parts.limits };
    this.#counts = new ControlCounts(parts.counters);
    const { headersTimeoutMs, requestTimeoutMs } = this.#limits;
    this.#server = createServer({
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // How late a time-out may be noticed.
      connectionsCheckingInterval: Math.min(headersTimeoutMs, 1000),
      maxHeaderSize: HEADER_SIZE_MAX,
    }, (request, response) => this.#track(this.#serve(request, response)));
    this.#server.on("connection", (socket: Socket) => this.#connect(socket));
    this.#server.on("clientError", (error: ClientError, socket: Socket) => {
      this.#refuse(error, socket);
    });
  }

  /**
   * Begins to listen.
   *
   * @throws {ControlError} another agent listens there, or it is not safe to
   */
  static async open(parts: ControlServerParts): Promise<ControlServer> {
    const place = await ControlSocket.claim(parts.path);
    try {
      const server = new ControlServer(parts);
      await server.#listen(place.path);
      server.#place = place;
      return server;
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /** Lets what is under way end, then closes every connection and removes the socket. */
  async [Symbol.asyncDispose](): Promise<void> {
    const place = this.#place;
    if (place === undefined) return;
    this.#place = undefined;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#limits.closeTimeoutMs);
    await Promise.race([Promise.allSettled(this.#underWay), timeIsUp]);
    clearTimeout(timer);
    for (const socket of this.#connections) socket.destroy();
    await closed;
    place[Symbol.dispose]();
  }

  #listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) => {
        const hint = "name another path with --control-socket";
        reject(new ControlError(`listen on "${path}"`, cause.message, hint, cause));
      };
      this.#server.once("error", fail);
      this.#server.once("listening", () => {
        this.#server.off("error", fail);
        // Such as too many open files: connections fail, the server does not.
        this.#server.on("error", () => this.#counts.failedConnections.value++);
        resolve();
      });
      // bind(2) happens within listen(), and the socket must not be open to others for a moment.
      const before = Deno.umask(SOCKET_UMASK);
      try {
        this.#server.listen(path);
      } finally {
        Deno.umask(before);
      }
    });
  }

  #connect(socket: Socket): void {
    // Who hangs up at a bad moment harms nobody; without a listener it would end the process.
    socket.on("error", () => {});
    if (this.#connections.size >= this.#limits.connectionsMax) {
      this.#counts.refusedConnections.value++;
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
  }

  /** Bytes that are no HTTP, or that took too long. It may be told several times of one socket. */
  #refuse({ code }: ClientError, socket: Socket): void {
    if (socket.destroyed || socket.writableEnded || code === "ECONNRESET") return;
    const isSlow = code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (isSlow) this.#counts.timeouts.value++;
    else this.#counts.malformed.value++;
    const status = isSlow ? "408 Request Timeout" : "400 Bad Request";
    const body = JSON.stringify({
      error: `Cannot read the request: ${isSlow ? "it took too long" : "it is not HTTP"}`,
      hint: "use shrike policy, or curl --unix-socket",
    });
    const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    socket.end(head + body, () => socket.destroy());
    const timer = setTimeout(() => socket.destroy(), this.#limits.answerTimeoutMs);
    socket.once("close", () => clearTimeout(timer));
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }

  /** Never rejects. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => {});
    response.on("error", () => {});
    const { agent, policies, network, log } = this.#parts;
    const { bodySizeMax } = this.#limits;
    const parts = { agent, services: { policies, network }, log, bodySizeMax };
    const { route, answer } = await answerRequest(request, parts);
    this.#counts.request(route, answer.status);
    await this.#send(response, answer);
  }

  /** Resolves when the client has taken the answer, or has gone, or took too long. */
  #send(response: ServerResponse, { status, body }: Answer): Promise<void> {
    const { socket } = response;
    // It has gone meanwhile.
    if (socket === null || socket.destroyed) return Promise.resolve();
    const text = new TextEncoder().encode(`${JSON.stringify(body)}\n`);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      this.#counts.timeouts.value++;
      socket.destroy();
      resolve();
    }, this.#limits.answerTimeoutMs);
    response.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    response.writeHead(status, {
      "Content-Type": "application/json",
      "Content-Length": text.length,
      // One request per connection: what is left of a body that was not read does not matter.
      "Connection": "close",
    });
    response.end(text);
    return promise;
  }
}

/** What `clientError` gives. */
interface ClientError extends Error {
  readonly code?: string;
}
