/**
 * The body of a request, with a limit.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import { JsonFieldError, JsonFields } from "./json_fields.ts";

/** Why a request is not answered as it wants. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  constructor(
    readonly status: number,
    state: string,
    readonly hint: string,
  ) {
    super(`Cannot read the request: ${state}`);
  }
}

const BAD_REQUEST = 400;
const TOO_LARGE = 413;

/**
 * Reads JSON.
 *
 * @throws {RequestError} it is too long, cut or no JSON object
 */
export async function readBody(request: IncomingMessage, sizeMax: number): Promise<JsonFields> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > sizeMax) throw tooLarge(sizeMax);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > sizeMax) throw tooLarge(sizeMax);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(BAD_REQUEST, "it is cut", "send all of the body");
  }
  return parse(chunks, size);
}

function parse(chunks: readonly Uint8Array[], size: number): JsonFields {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return new JsonFields(JSON.parse(text), "the body");
  } catch (error) {
    const state = error instanceof JsonFieldError ? error.message : "the body is not JSON";
    throw new RequestError(BAD_REQUEST, state, "send a JSON object in UTF-8");
  }
}

function tooLarge(sizeMax: number): RequestError {
  const hint = "split the file: a policy is some screens of text";
  return new RequestError(TOO_LARGE, `the body has more than ${sizeMax} bytes`, hint);
}
