/**
 * What may be asked over the control socket, one row each.
 *
 * @module
 */
import type { NetworkService } from "../network/mod.ts";
import type { AddOptions, PolicyOutcome, PolicyService, PolicySource } from "../policy/mod.ts";
import type { JsonFields } from "./json_fields.ts";
import { complaintJson, planJson, policyJson } from "./policy_json.ts";
import { trafficJson } from "./traffic_json.ts";

/** The agent that answers. */
export interface AgentDescription {
  readonly version: string;
  readonly pid: number;
  /** When it began, ns since the epoch. */
  readonly sinceNs: bigint;
}

/** What an answer is made of. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What an agent may be without. */
export interface AgentServices {
  readonly policies: PolicyService;
  readonly network: NetworkService;
}

/** One request that has a route. What the route does not need may be missing. */
export interface Call extends AgentServices {
  readonly agent: AgentDescription;
  /** What stands at `:name`; "" without. */
  readonly name: string;
  /** Of requests that have one. */
  readonly body: JsonFields;
}

/** One thing that may be asked. */
export interface Route {
  /** In counters and the log. */
  readonly name: string;
  readonly method: "GET" | "POST" | "DELETE";
  /** With `:name` where the name of a policy stands. */
  readonly path: string;
  /** What its body may have; missing when it has no body. */
  readonly fields?: readonly string[];
  readonly needs?: keyof AgentServices;
  /** What is changed, for the log; missing for questions. */
  readonly change?: string;
  answer(call: Call): Promise<Answer> | Answer;
}

const OK = 200;
const NOT_FOUND = 404;
/** RFC 9110 15.5.21: understood, but what it says is wrong. */
const UNPROCESSABLE = 422;
const MODES = ["enforce", "monitor"] as const;
const NS_PER_MS = 1_000_000n;

const SOURCE_FIELDS = ["file", "text"] as const;

export const ROUTES: readonly Route[] = [
  {
    ...{ name: "status", method: "GET", path: "/v1/status" },
    answer: ({ agent: { version, pid, sinceNs } }) =>
      ok({ version, pid, since: new Date(Number(sinceNs / NS_PER_MS)).toISOString() }),
  },
  {
    ...{ needs: "network", name: "traffic", method: "GET", path: "/v1/traffic" },
    answer: ({ network }) => ok(trafficJson(network.readTraffic(), network.state())),
  },
  {
    ...{ needs: "policies", name: "list", method: "GET", path: "/v1/policies" },
    answer: ({ policies }) => ok({ policies: policies.list().map(policyJson) }),
  },
  {
    ...{ needs: "policies", name: "show", method: "GET", path: "/v1/policies/:name" },
    answer: ({ policies, name }) => {
      const shown = policies.show(name);
      if (shown === undefined) return missing(name);
      return ok({ policy: policyJson(shown.status), text: shown.text });
    },
  },
  {
    ...{ name: "add", method: "POST", path: "/v1/policies", change: "add" },
    ...{ needs: "policies", fields: [...SOURCE_FIELDS, "mode", "persist", "replace"] },
    answer: async ({ policies, body }) =>
      outcomeAnswer(await policies.add(readSource(body), readAddOptions(body))),
  },
  {
    ...{ name: "plan", method: "POST", path: "/v1/plan", needs: "policies" },
    fields: SOURCE_FIELDS,
    answer: async ({ policies, body }) => {
      const plan = await policies.plan(readSource(body));
      return "complaints" in plan ? refused(plan.complaints) : ok({ plan: planJson(plan) });
    },
  },
  {
    ...{ needs: "policies", name: "delete", method: "DELETE", path: "/v1/policies/:name" },
    change: "delete",
    answer: async ({ policies, name }) => await policies.remove(name) ? ok({}) : missing(name),
  },
  {
    ...{ needs: "policies", name: "enable", method: "POST", path: "/v1/policies/:name/enable" },
    change: "enable",
    answer: (call) => changePolicy(call, () => call.policies.setEnabled(call.name, true)),
  },
  {
    ...{ needs: "policies", name: "disable", method: "POST", path: "/v1/policies/:name/disable" },
    change: "disable",
    answer: (call) => changePolicy(call, () => call.policies.setEnabled(call.name, false)),
  },
  {
    ...{ name: "mode", method: "POST", path: "/v1/policies/:name/mode", change: "set the mode of" },
    ...{ needs: "policies", fields: ["mode"] },
    answer: (call) => {
      const mode = call.body.word("mode", MODES);
      return changePolicy(call, () => call.policies.setMode(call.name, mode));
    },
  },
];

/** A route with the name in the path, or the methods that the path has. */
export type Match =
  | { readonly route: Route; readonly name: string }
  | { readonly allowed: readonly string[] };

/** Finds the route; `allowed` is empty when nothing is at the path. */
export function matchRoute(method: string, path: string): Match {
  const allowed: string[] = [];
  for (const route of ROUTES) {
    const name = matchPath(route.path, path);
    if (name === undefined) continue;
    if (route.method === method) return { route, name };
    allowed.push(route.method);
  }
  return { allowed };
}

/** The name in `path`, "" when `pattern` has none; undefined when they do not match. */
function matchPath(pattern: string, path: string): string | undefined {
  const expected = pattern.split("/");
  const parts = path.split("/");
  if (expected.length !== parts.length) return undefined;
  let name = "";
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] === ":name") {
      const decoded = decode(parts[i]!);
      if (decoded === undefined || decoded === "") return undefined;
      name = decoded;
    } else if (expected[i] !== parts[i]) return undefined;
  }
  return name;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

async function changePolicy(
  { policies, name }: Call,
  change: () => Promise<PolicyOutcome>,
): Promise<Answer> {
  if (policies.show(name) === undefined) return missing(name);
  return outcomeAnswer(await change());
}

function outcomeAnswer(outcome: PolicyOutcome): Answer {
  return outcome.isDone
    ? ok({ policies: outcome.policies.map(policyJson) })
    : refused(outcome.complaints);
}

function readSource(body: JsonFields): PolicySource {
  return { file: body.text("file"), text: body.text("text") };
}

function readAddOptions(body: JsonFields): AddOptions {
  const mode = body.optionalWord("mode", MODES);
  const isPersistent = body.optionalFlag("persist");
  const replaces = body.optionalFlag("replace");
  return {
    ...(mode !== undefined && { mode }),
    ...(isPersistent !== undefined && { isPersistent }),
    ...(replaces !== undefined && { replaces }),
  };
}

function ok(body: Answer["body"]): Answer {
  return { status: OK, body };
}

function missing(name: string): Answer {
  const error = `Cannot find the policy ${JSON.stringify(name)}: there is none of that name`;
  return { status: NOT_FOUND, body: { error, hint: "shrike policy list names them" } };
}

function refused(complaints: (PolicyOutcome & { isDone: false })["complaints"]): Answer {
  return {
    status: UNPROCESSABLE,
    body: {
      error: `Cannot take the policy: ${complaints.length} ` +
        `${complaints.length === 1 ? "thing is" : "things are"} wrong with it`,
      hint: "see the complaints",
      complaints: complaints.map(complaintJson),
    },
  };
}
