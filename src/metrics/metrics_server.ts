/**
 * The metrics endpoint: HTTP at an address or a unix socket.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  type HttpAnswer,
  type HttpHandler,
  type HttpRequest,
  HttpServer,
  type ListenPlace,
  RefusalLog,
} from "../http/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import type { MetricsCounts } from "./metrics_counts.ts";
import { METRICS_PATH, type MetricsPages, type Page, pathOf } from "./metrics_pages.ts";

/** What a server can be made to bear; the defaults are for the agent, others for tests. */
export interface MetricsLimits {
  /** Connections at a time: some scrapers and probes. */
  readonly connectionsMax: number;
  /** Of these with a scrape: the rest is for probes, and for those who come next. */
  readonly scrapesMax: number;
  /** Bytes of pages that clients have not taken yet; one page is answered whatever its size. */
  readonly waitingSizeMax: number;
  /** From the connection to the end of the request. */
  readonly requestTimeoutMs: number;
  /** For the client to take the answer. */
  readonly answerTimeoutMs: number;
}

export const METRICS_LIMITS: MetricsLimits = {
  connectionsMax: 64,
  scrapesMax: 16,
  waitingSizeMax: 32 * 1024 ** 2,
  requestTimeoutMs: 5000,
  answerTimeoutMs: 10_000,
};

/** What a server is made with. */
export interface MetricsServerParts {
  readonly place: ListenPlace;
  readonly pages: MetricsPages;
  readonly counts: MetricsCounts;
  readonly log: Log;
  readonly limits?: Partial<MetricsLimits>;
}

const BAD_REQUEST = 400;
const REQUEST_TIMEOUT = 408;
const UNAVAILABLE = 503;
const NO_BODY = new Uint8Array();

/** Answers until it is disposed. */
export class MetricsServer implements AsyncDisposable {
  readonly #parts: MetricsServerParts;
  readonly #limits: MetricsLimits;
  readonly #server: HttpServer;
  #scrapeCount = 0;
  #waitingSize = 0;
  #isOpen = false;

  private constructor(parts: MetricsServerParts) {
    this.#parts = parts;
    this.#limits = { ...METRICS_LIMITS, ...parts.limits };
    const { connectionsMax, requestTimeoutMs, answerTimeoutMs } = this.#limits;
    const times = { headersTimeoutMs: requestTimeoutMs, requestTimeoutMs, answerTimeoutMs };
    const limits = { connectionsMax, bodySizeMax: undefined, ...times };
    this.#server = new HttpServer(limits, this.#handler());
  }

  /**
   * Begins to listen.
   *
   * @throws the error of the system call, such as EADDRINUSE in its `code`
   */
  static async open(parts: MetricsServerParts): Promise<MetricsServer> {
    const server = new MetricsServer(parts);
    await server.#server.listen(parts.place);
    server.#isOpen = true;
    return server;
  }

  /** The port it listens at; 0 for a unix socket. */
  get port(): number {
    return this.#server.port;
  }

  /** Ends all connections: scrapers ask again. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#server.close();
  }

  #handler(): HttpHandler {
    const { counts, log } = this.#parts;
    const refusals = new RefusalLog(log, "metrics endpoint");
    return {
      answer: (request, ended) => this.#answer(request, ended),
      explain: (refusal) => {
        const status = refusal === "slow" ? REQUEST_TIMEOUT : BAD_REQUEST;
        return { status, headers: {}, body: NO_BODY };
      },
      refused: (refusal) => {
        counts.refusal(refusal);
        refusals.add(refusal);
      },
    };
  }

  /** Never rejects. */
  async #answer(request: HttpRequest, ended: Promise<void>): Promise<HttpAnswer> {
    const isScrape = pathOf(request.target) === METRICS_PATH;
    if (isScrape) {
      if (this.#scrapeCount >= this.#limits.scrapesMax && !this.#server.displaceStalled()) {
        return this.#busy();
      }
      this.#scrapeCount++;
      ended.then(() => this.#scrapeCount--);
    }
    const page = await this.#page(request);
    const size = page.body.length;
    if (isScrape) {
      if (this.#waitingSize > 0 && this.#waitingSize + size > this.#limits.waitingSizeMax) {
        return this.#busy();
      }
      this.#waitingSize += size;
      ended.then(() => this.#waitingSize -= size);
    }
    this.#parts.counts.request(page.page, page.status);
    const headers = {
      ...page.headers,
      "Content-Type": page.contentType,
      "X-Content-Type-Options": "nosniff",
    };
    return { status: page.status, headers, body: page.body };
  }

  #busy(): HttpAnswer {
    this.#parts.counts.request(METRICS_PATH, UNAVAILABLE);
    const body = Buffer.from("Too many clients have not taken their page yet\n");
    const headers = { "Content-Type": "text/plain; charset=utf-8", "Retry-After": "1" };
    return { status: UNAVAILABLE, headers, body };
  }

  async #page({ method, target, headers }: HttpRequest): Promise<Page> {
    const [accept, acceptEncoding] = [headers.get("accept"), headers.get("accept-encoding")];
    try {
      return await this.#parts.pages.answer({ method, target, accept, acceptEncoding });
    } catch (error) {
      // A name or label that the library refuses is a bug of ours; the agent goes on.
      const text = error instanceof Error ? error.message.split("\n")[0]! : String(error);
      const body = Buffer.from(`Cannot write the metrics: ${text}\n`);
      return { page: "failed", status: 500, contentType: "text/plain; charset=utf-8", body };
    }
  }
}
