/**
 * The command's end of the control socket.
 *
 * @module
 */
import { type IncomingMessage, request } from "node:http";
import type {
  AddOptions,
  PolicyComplaint,
  PolicyPlan,
  PolicySource,
  PolicyStatus,
} from "../policy/mod.ts";
import { ControlError } from "./control_error.ts";
import { JsonFieldError, JsonFields } from "./json_fields.ts";
import { readTraffic, type TrafficAnswer } from "./read_traffic_json.ts";
import { readComplaint, readPlan, readPolicy } from "./read_policy_json.ts";

/** What the agent said no to. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";

  constructor(
    message: string,
    readonly hint: string,
    /** Status of HTTP. */
    readonly status: number,
    /** What is wrong with a policy, when that is the reason. */
    readonly complaints: readonly PolicyComplaint[],
  ) {
    super(message);
  }
}

/** Who answers. */
export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly since: string;
}

/** For answers; an agent takes that long only when it hangs, or loads a thousand policies. */
const TIMEOUT_MS = 60_000;
/** 1,000 policies with ten rules each have 2 MB. */
const ANSWER_SIZE_MAX = 64 * 1024 * 1024;
const BAD_REQUEST = 400;

/** Asks the agent that listens at a path; one connection per question. */
export class ControlClient {
  readonly #path: string;
  readonly #timeoutMs: number;

  constructor(path: string, { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {}) {
    this.#path = path;
    this.#timeoutMs = timeoutMs;
  }

  /** @throws {ControlError} nobody answers, as all of these */
  async status(): Promise<AgentStatus> {
    return await this.#ask("GET", "/v1/status", (answer) => ({
      version: answer.text("version"),
      pid: answer.count("pid"),
      since: answer.text("since"),
    }));
  }

  /** @throws {RefusedError} the agent does not count traffic */
  async traffic(): Promise<TrafficAnswer> {
    return await this.#ask("GET", "/v1/traffic", readTraffic);
  }

  async list(): Promise<PolicyStatus[]> {
    return await this.#ask("GET", "/v1/policies", readPolicies);
  }

  /** @throws {RefusedError} there is none of that name, as all that take one */
  async show(name: string): Promise<{ readonly status: PolicyStatus; readonly text: string }> {
    return await this.#ask("GET", policyPath(name), (answer) => ({
      status: readPolicy(answer.object("policy")),
      text: answer.text("text"),
    }));
  }

  /** @throws {RefusedError} with complaints, when something is wrong with the policy */
  async add({ file, text }: PolicySource, options: AddOptions = {}): Promise<PolicyStatus[]> {
    const { mode, isPersistent, replaces } = options;
    return await this.#ask("POST", "/v1/policies", readPolicies, {
      ...{ file, text },
      ...(mode !== undefined && { mode }),
      ...(isPersistent !== undefined && { persist: isPersistent }),
      ...(replaces !== undefined && { replace: replaces }),
    });
  }

  async remove(name: string): Promise<void> {
    await this.#ask("DELETE", policyPath(name), () => {});
  }

  async setEnabled(name: string, isEnabled: boolean): Promise<PolicyStatus[]> {
    const path = `${policyPath(name)}/${isEnabled ? "enable" : "disable"}`;
    return await this.#ask("POST", path, readPolicies);
  }

  async setMode(name: string, mode: "enforce" | "monitor"): Promise<PolicyStatus[]> {
    return await this.#ask("POST", `${policyPath(name)}/mode`, readPolicies, { mode });
  }

  /** @throws {RefusedError} with complaints, when something is wrong with the policy */
  async plan({ file, text }: PolicySource): Promise<PolicyPlan> {
    const read = (answer: JsonFields) => readPlan(answer.object("plan"));
    return await this.#ask("POST", "/v1/plan", read, { file, text });
  }

  async #ask<T>(
    method: string,
    path: string,
    read: (answer: JsonFields) => T,
    body?: Readonly<Record<string, unknown>>,
  ): Promise<T> {
    const { status, text } = await this.#exchange(method, path, body);
    let answer: JsonFields;
    let refusal: RefusedError;
    try {
      answer = new JsonFields(JSON.parse(text), "the answer");
      if (status < BAD_REQUEST) return read(answer);
      const complaints = answer.has("complaints")
        ? answer.objects("complaints").map(readComplaint)
        : [];
      refusal = new RefusedError(answer.text("error"), answer.text("hint"), status, complaints);
    } catch (cause) {
      throw this.#notAnAgent(cause);
    }
    throw refusal;
  }

  #notAnAgent(cause: unknown): ControlError {
    const state = cause instanceof JsonFieldError ? cause.message : "the answer is not JSON";
    const hint = "is the agent of another version? compare shrike version";
    return new ControlError(`ask the agent at "${this.#path}"`, state, hint, cause);
  }

  async #exchange(
    method: string,
    path: string,
    body: Readonly<Record<string, unknown>> | undefined,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), this.#timeoutMs);
    try {
      const response = await this.#open(method, path, text, abort.signal);
      return { status: response.statusCode ?? 0, text: await readText(response) };
    } catch (error) {
      throw this.#explain(error, abort.signal.aborted);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  #open(
    method: string,
    path: string,
    text: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const bytes = new TextEncoder().encode(text);
    const headers = {
      "Host": "localhost",
      "Connection": "close",
      ...(bytes.length > 0 && { "Content-Type": "application/json" }),
      ...(method !== "GET" && { "Content-Length": bytes.length }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: this.#path, path, method, headers }, resolve);
      const onAbort = () => sent.destroy(new Error("aborted"));
      signal.addEventListener("abort", onAbort, { once: true });
      // Stays for the life of the request: an error after the answer must not be unhandled.
      sent.on("error", reject);
      sent.on("close", () => signal.removeEventListener("abort", onAbort));
      sent.end(bytes);
    });
  }

  #explain(error: unknown, isTimeout: boolean): ControlError {
    const { code } = error as { code?: string };
    const action = `ask the agent at "${this.#path}"`;
    if (isTimeout) {
      const hint = "look at the agent's log";
      return new ControlError(action, `no answer within ${this.#timeoutMs} ms`, hint);
    }
    if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR") {
      const hint = "start one with shrike run, or name its --control-socket";
      return new ControlError(action, "no agent listens there", hint);
    }
    if (code === "EACCES" || code === "EPERM") {
      return new ControlError(action, "not permitted", "run as root (sudo)", error);
    }
    const state = error instanceof Error ? error.message.split("\n")[0]! : String(error);
    return new ControlError(action, state, "try again; if it stays so, look at the agent's log");
  }
}

function policyPath(name: string): string {
  return `/v1/policies/${encodeURIComponent(name)}`;
}

function readPolicies(answer: JsonFields): PolicyStatus[] {
  return answer.objects("policies").map(readPolicy);
}

async function readText(response: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_SIZE_MAX) throw new Error(`answer above ${ANSWER_SIZE_MAX} bytes`);
  }
  return text + decoder.decode();
}
