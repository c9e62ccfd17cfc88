/**
 * One request to its answer, whatever the request is.
 *
 * @module
 */
import type { HttpRequest } from "../http/mod.ts";
import { type Log, quote } from "../telemetry/mod.ts";
import { JsonFieldError, JsonFields } from "./json_fields.ts";
import { readBody, RequestError } from "./read_body.ts";
import {
  type AgentDescription,
  type AgentServices,
  type Answer,
  type Call,
  matchRoute,
  type Route,
} from "./routes.ts";

/** What answers are made of. */
export interface AnswerParts {
  readonly agent: AgentDescription;
  readonly services: {
    readonly [Name in keyof AgentServices]?: AgentServices[Name] | undefined;
  };
  readonly log: Log;
  readonly bodySizeMax: number;
}

/** An answer, and the name of the route for the counters. */
export interface RoutedAnswer {
  readonly route: string;
  readonly answer: Answer;
}

const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const METHOD_NOT_ALLOWED = 405;
const INTERNAL_ERROR = 500;
const UNAVAILABLE = 503;

/** Never rejects: what goes wrong is an answer too. */
export async function answerRequest(
  request: HttpRequest,
  parts: AnswerParts,
): Promise<RoutedAnswer> {
  const path = request.target.split("?")[0]!;
  const match = matchRoute(request.method, path);
  if ("allowed" in match) return { route: "none", answer: noRoute(match.allowed, path) };
  const { route } = match;
  try {
    return { route: route.name, answer: await answerRoute(match, request, parts) };
  } catch (error) {
    return { route: route.name, answer: explain(error, route, parts.log) };
  }
}

async function answerRoute(
  { route, name }: { readonly route: Route; readonly name: string },
  request: HttpRequest,
  { agent, services, log, bodySizeMax }: AnswerParts,
): Promise<Answer> {
  const { fields, change, needs } = route;
  const body = fields === undefined
    ? new JsonFields({}, "the body")
    : readBody(request.body, bodySizeMax);
  const unknown = body.names().find((field) => !fields!.includes(field));
  if (unknown !== undefined) {
    const hint = `it may have ${fields!.join(", ")}; is the agent older than the command?`;
    throw new RequestError(BAD_REQUEST, `the body has ${quote(unknown)}, which is not known`, hint);
  }
  if (needs !== undefined && services[needs] === undefined) return MISSING[needs];
  // It may lack what the route does not ask for.
  const answer = await route.answer({ ...services, agent, name, body } as Call);
  if (change !== undefined && answer.status < BAD_REQUEST) {
    const object = name === "" ? body.text("file") : name;
    log.info('Over the control socket: {change} policy "{object}"', { change, object });
  }
  return answer;
}

function explain(error: unknown, route: Route, log: Log): Answer {
  if (error instanceof RequestError) return errorAnswer(error.status, error.message, error.hint);
  if (error instanceof JsonFieldError) {
    const text = `Cannot read the request: ${error.message}`;
    return errorAnswer(BAD_REQUEST, text, "is the agent older than the command?");
  }
  log.error("Cannot answer {route} over the control socket: {error}", { route: route.name, error });
  const state = error instanceof Error ? error.message.split("\n")[0]! : String(error);
  const hint = (error as { hint?: unknown } | undefined)?.hint;
  const said = typeof hint === "string" ? hint : "see the agent's log";
  return errorAnswer(INTERNAL_ERROR, state, said);
}

const MISSING: Readonly<Record<keyof AgentServices, Answer>> = {
  policies: errorAnswer(
    UNAVAILABLE,
    "Cannot ask about policies: this agent runs without them",
    "see the agent's log for the reason",
  ),
  network: errorAnswer(
    UNAVAILABLE,
    "Cannot ask about the network: this agent does not count traffic",
    "run it without --network=false; if that is not the reason, see the agent's log",
  ),
};

function noRoute(allowed: readonly string[], path: string): Answer {
  if (allowed.length > 0) {
    const state = "Cannot do that here: the method is another";
    return errorAnswer(METHOD_NOT_ALLOWED, state, `use ${allowed.join(" or ")}`);
  }
  const state = `Cannot find ${quote(path)}: there is nothing`;
  return errorAnswer(NOT_FOUND, state, "is the agent older than the command?");
}

function errorAnswer(status: number, error: string, hint: string): Answer {
  return { status, body: { error, hint } };
}
