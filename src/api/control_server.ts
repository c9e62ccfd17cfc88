/**
 * The agent's end of the control socket: HTTP with JSON, for root on this host.
 *
 * @module
 */
import { type HttpAnswer, type HttpRequest, HttpServer, RefusalLog } from "../http/mod.ts";
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
  connectionsMax: 64,
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

const BAD_REQUEST = 400;
const REQUEST_TIMEOUT = 408;

/** Answers until it is disposed. */
export class ControlServer implements AsyncDisposable {
  readonly #parts: ControlServerParts;
  readonly #limits: ControlLimits;
  readonly #counts: ControlCounts;
  readonly #server: HttpServer;
  readonly #underWay = new Set<Promise<unknown>>();
  #place: ControlSocket | undefined;

  private constructor(parts: ControlServerParts) {
    this.#parts = parts;
    this.#limits = { ...CONTROL_LIMITS, ...parts.limits };
    this.#counts = new ControlCounts(parts.counters);
    const refusals = new RefusalLog(parts.log, "control socket");
    this.#server = new HttpServer(this.#limits, {
      answer: (request, ended) => {
        const answer = this.#answer(request);
        this.#track(answer.then(() => ended));
        return answer;
      },
      explain: (refusal) => explain(refusal === "slow"),
      refused: (refusal) => {
        this.#counts.refusal(refusal);
        refusals.add(refusal);
      },
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
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#limits.closeTimeoutMs);
    await this.#server.close(Promise.race([Promise.allSettled(this.#underWay), timeIsUp]));
    clearTimeout(timer);
    place[Symbol.dispose]();
  }

  async #listen(path: string): Promise<void> {
    try {
      await this.#server.listen({ kind: "unix", path });
    } catch (cause) {
      const state = cause instanceof Error ? cause.message : String(cause);
      const hint = "name another path with --control-socket";
      throw new ControlError(`listen on "${path}"`, state, hint, cause);
    }
  }

  #track(work: Promise<unknown>): void {
    this.#underWay.add(work);
    work.finally(() => this.#underWay.delete(work));
  }

  /** Never rejects. */
  async #answer(request: HttpRequest): Promise<HttpAnswer> {
    const { agent, policies, network, log } = this.#parts;
    const { bodySizeMax } = this.#limits;
    const parts = { agent, services: { policies, network }, log, bodySizeMax };
    const { route, answer } = await answerRequest(request, parts);
    this.#counts.request(route, answer.status);
    return jsonAnswer(answer);
  }
}

function explain(isSlow: boolean): HttpAnswer {
  return jsonAnswer({
    status: isSlow ? REQUEST_TIMEOUT : BAD_REQUEST,
    body: {
      error: `Cannot read the request: ${isSlow ? "it took too long" : "it is not HTTP"}`,
      hint: "use shrike policy, or curl --unix-socket",
    },
  });
}

function jsonAnswer({ status, body }: Answer): HttpAnswer {
  const text = new TextEncoder().encode(`${JSON.stringify(body)}\n`);
  return { status, headers: { "Content-Type": "application/json" }, body: text };
}
