/**
 * The body of a request, with a limit.
 *
 * @module
 */
import type { HttpBody } from "../http/mod.ts";
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
export function readBody(body: HttpBody, sizeMax: number): JsonFields {
  if (body === "too_large") throw tooLarge(sizeMax);
  if (body === "cut") throw new RequestError(BAD_REQUEST, "it is cut", "send all of the body");
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
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
