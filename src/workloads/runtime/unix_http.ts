/**
 * HTTP over a unix socket: one answer as JSON, or a stream of lines.
 *
 * @module
 */
import { type IncomingMessage, request } from "node:http";
import { type ClientLimits, type RuntimeApi, RuntimeError } from "./runtime_client.ts";

/** Longest line of an event stream; Docker's have the container's labels in them. */
const LINE_LENGTH_MAX = 1024 * 1024;

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  /** Parsed body. */
  readonly body: unknown;
}

/** One endpoint. Opens a connection per request: runtimes are asked seldom. */
export class UnixHttp {
  readonly #api: RuntimeApi;
  readonly #socketPath: string;
  readonly #limits: ClientLimits;

  constructor(api: RuntimeApi, socketPath: string, limits: ClientLimits) {
    this.#api = api;
    this.#socketPath = socketPath;
    this.#limits = limits;
  }

  /** GETs `path` (already encoded). Throws RuntimeError unless the whole answer is JSON. */
  async getJson(path: string): Promise<HttpAnswer> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#limits.timeoutMs);
    try {
      const response = await this.#open(path, abort.signal);
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        size += chunk.length;
        if (size > this.#limits.responseSizeMax) {
          throw this.#error("too_large", `answer above ${this.#limits.responseSizeMax} bytes`);
        }
        chunks.push(chunk);
      }
      return { status: response.statusCode ?? 0, body: this.#parse(chunks) };
    } catch (error) {
      throw this.#explain(error, abort.signal);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  /**
   * GETs `path` and gives each line of the body until `signal` is aborted.
   *
   * @throws {RuntimeError} when the stream ends before.
   */
  async getLines(path: string, signal: AbortSignal, options: LineOptions): Promise<void> {
    // Only the headers have a time limit: the stream itself is silent as long as nothing happens.
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#limits.timeoutMs);
    const stop = () => abort.abort();
    signal.addEventListener("abort", stop);
    try {
      const response = await this.#open(path, abort.signal);
      clearTimeout(timer);
      if (response.statusCode !== 200) {
        throw this.#error("refused", `status ${response.statusCode}`);
      }
      options.opened();
      await this.#readLines(response, options.line);
      throw this.#error("unreachable", "the stream of events ended");
    } catch (error) {
      if (!signal.aborted) throw this.#explain(error, abort.signal);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      abort.abort();
    }
  }

  async #readLines(response: IncomingMessage, take: (line: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      const lines = decoder.decode(chunk, { stream: true }).split("\n");
      for (const end of lines.slice(0, -1)) {
        const line = (rest + end).trim();
        rest = "";
        if (line !== "") take(line);
      }
      rest += lines.at(-1)!;
      if (rest.length > LINE_LENGTH_MAX) {
        throw this.#error("too_large", `line above ${LINE_LENGTH_MAX} characters`);
      }
    }
  }

  #open(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request({
        socketPath: this.#socketPath,
        path,
        method: "GET",
        headers: { Host: "localhost", Accept: "application/json" },
      }, resolve);
      const onAbort = () => sent.destroy(new Error("aborted"));
      signal.addEventListener("abort", onAbort, { once: true });
      // Stays for the life of the request: an error after the answer must not be unhandled.
      sent.on("error", reject);
      sent.on("close", () => signal.removeEventListener("abort", onAbort));
      sent.end();
    });
  }

  #parse(chunks: readonly Uint8Array[]): unknown {
    const text = new TextDecoder().decode(concatenate(chunks));
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#error("protocol", "the answer is not JSON", cause);
    }
  }

  #explain(error: unknown, signal: AbortSignal): RuntimeError {
    if (error instanceof RuntimeError) return error;
    if (signal.aborted) {
      return this.#error("timeout", `no answer within ${this.#limits.timeoutMs} ms`, error);
    }
    const code = (error as { code?: unknown }).code;
    const isProtocol = typeof code === "string" && code.startsWith("HPE_");
    const found = error instanceof Error ? error.message : String(error);
    return this.#error(isProtocol ? "protocol" : "unreachable", found, error);
  }

  #error(code: RuntimeError["code"], found: string, cause?: unknown): RuntimeError {
    return new RuntimeError(this.#api, code, found, cause === undefined ? {} : { cause });
  }
}

/** What a reader of a stream is told. */
export interface LineOptions {
  /** The runtime has begun the stream. */
  readonly opened: () => void;
  readonly line: (line: string) => void;
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
