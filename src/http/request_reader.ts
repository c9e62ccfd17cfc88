/**
 * One request of HTTP/1.1 out of the bytes of a connection.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A body, or why there is none. */
export type HttpBody = Uint8Array | "too_large" | "cut";

/** What a client asks. */
export interface HttpRequest {
  readonly method: string;
  /** As it came: path and query. */
  readonly target: string;
  /** By name in lower case; of several with one name the values with commas in between. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: HttpBody;
}

const HEAD_SIZE_MAX = 8192;
const HEADERS_MAX = 64;
/** Size and extensions of a chunk. */
const CHUNK_LINE_MAX = 64;
const REQUEST_LINE = /^([A-Z]{1,16}) (\S{1,4096}) HTTP\/1\.[01]$/;
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([^\0\r\n]*?)[ \t]*$/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,8})(?:;[^\r\n]*)?$/;

/** Takes bytes until there is a request or something that is none; then it is of no more use. */
export class RequestReader {
  readonly #bodySizeMax: number | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #isFirstLineFine = false;
  #head: Omit<HttpRequest, "body"> | undefined;
  #expected: number | "chunks" = 0;
  readonly #body: Buffer[] = [];
  #bodySize = 0;

  /** @param bodySizeMax undefined when bodies are not wanted: the request ends with its head */
  constructor(bodySizeMax: number | undefined) {
    this.#bodySizeMax = bodySizeMax;
  }

  get hasHead(): boolean {
    return this.#head !== undefined;
  }

  /** The client waits for a word before it sends the body. */
  get expectsContinue(): boolean {
    return this.#head?.headers.get("expect")?.toLowerCase() === "100-continue";
  }

  /** @returns undefined while more is needed */
  push(bytes: Uint8Array): HttpRequest | "malformed" | undefined {
    if (this.#head === undefined) {
      // At most a head and a chunk of the socket: what is beyond the limit ends it below.
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      const state = this.#readHead();
      if (state !== "done") return state === "more" ? undefined : "malformed";
    } else if (this.#expected === "chunks") this.#bytes = Buffer.concat([this.#bytes, bytes]);
    else this.#bytes = Buffer.from(bytes);
    return this.#readBody();
  }

  /** The client sends no more. @returns undefined when nothing had come */
  end(): HttpRequest | "malformed" | undefined {
    if (this.#head !== undefined) return { ...this.#head, body: "cut" };
    return this.#bytes.length === 0 ? undefined : "malformed";
  }

  #readHead(): "done" | "more" | "malformed" {
    if (!this.#isFirstLineFine) {
      const end = this.#bytes.indexOf("\n");
      if (end < 0) return this.#bytes.length > HEAD_SIZE_MAX ? "malformed" : "more";
      if (!REQUEST_LINE.test(lineOf(this.#bytes, end))) return "malformed";
      this.#isFirstLineFine = true;
    }
    const end = this.#bytes.subarray(0, HEAD_SIZE_MAX).indexOf("\r\n\r\n");
    if (end < 0) return this.#bytes.length > HEAD_SIZE_MAX ? "malformed" : "more";
    const lines = this.#bytes.toString("latin1", 0, end).split("\r\n");
    this.#bytes = this.#bytes.subarray(end + 4);
    const [, method, target] = REQUEST_LINE.exec(lines[0]!) ?? [];
    const headers = headersOf(lines.slice(1));
    if (method === undefined || target === undefined || headers === undefined) return "malformed";
    this.#head = { method, target, headers };
    if (this.#bodySizeMax === undefined) return "done";
    const expected = bodySizeOf(headers);
    if (expected === undefined) return "malformed";
    this.#expected = expected;
    return "done";
  }

  #readBody(): HttpRequest | "malformed" | undefined {
    const sizeMax = this.#bodySizeMax;
    if (sizeMax === undefined) return { ...this.#head!, body: new Uint8Array() };
    if (this.#expected === "chunks") return this.#readChunks(sizeMax);
    if (this.#expected > sizeMax) return { ...this.#head!, body: "too_large" };
    this.#take(this.#bytes.subarray(0, this.#expected - this.#bodySize));
    return this.#bodySize < this.#expected ? undefined : this.#whole();
  }

  #readChunks(sizeMax: number): HttpRequest | "malformed" | undefined {
    for (;;) {
      const end = this.#bytes.subarray(0, CHUNK_LINE_MAX).indexOf("\r\n");
      if (end < 0) return this.#bytes.length >= CHUNK_LINE_MAX ? "malformed" : undefined;
      const [, digits] = CHUNK_LINE.exec(this.#bytes.toString("latin1", 0, end)) ?? [];
      if (digits === undefined) return "malformed";
      const size = parseInt(digits, 16);
      // Trailers, which nobody reads, come with what is not looked at.
      if (size === 0) return this.#whole();
      if (this.#bodySize + size > sizeMax) return { ...this.#head!, body: "too_large" };
      const start = end + 2;
      if (this.#bytes.length < start + size + 2) return undefined;
      this.#take(this.#bytes.subarray(start, start + size));
      if (this.#bytes.toString("latin1", start + size, start + size + 2) !== "\r\n") {
        return "malformed";
      }
      this.#bytes = this.#bytes.subarray(start + size + 2);
    }
  }

  #take(bytes: Buffer): void {
    this.#body.push(bytes);
    this.#bodySize += bytes.length;
  }

  #whole(): HttpRequest {
    return { ...this.#head!, body: Buffer.concat(this.#body) };
  }
}

function lineOf(bytes: Buffer, end: number): string {
  return bytes.toString("latin1", 0, end).replace(/\r$/, "");
}

function headersOf(lines: readonly string[]): Map<string, string> | undefined {
  const headers = new Map<string, string>();
  if (lines.length > HEADERS_MAX) return undefined;
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    const before = headers.get(key);
    headers.set(key, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

/** Undefined when it is not said in a way that has one meaning. */
function bodySizeOf(headers: ReadonlyMap<string, string>): number | "chunks" | undefined {
  const length = headers.get("content-length");
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined) {
    return coding.toLowerCase() === "chunked" && length === undefined ? "chunks" : undefined;
  }
  if (length === undefined) return 0;
  return /^\d{1,12}$/.test(length) ? Number(length) : undefined;
}
