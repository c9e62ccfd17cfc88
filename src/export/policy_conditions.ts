/**
 * Filters on what a policy told: which policy, and what it did. An event that no policy told has
 * neither.
 *
 * @module
 */
import type { AgentEvent, PolicyActionWord, PolicyEvent } from "../events/mod.ts";
import { isPolicyEvent } from "./event_kind.ts";
import {
  FilterError,
  type FilterExpression,
  type PolicyKey,
  suggestionHint,
} from "./filter_expression.ts";
import { Glob } from "./glob.ts";

type Test = (event: PolicyEvent) => boolean;

interface Condition {
  readonly test: Test;
  /** What `test` must give. */
  readonly wanted: boolean;
}

const ACTIONS: readonly PolicyActionWord[] = ["POST", "NOPOST", "SIGKILL", "SIGNAL", "OVERRIDE"];

/** All of them must hold. */
export class PolicyConditions {
  readonly #conditions: Condition[] = [];

  /** Whether one of them asks for a policy: then events that no policy told are not shown. */
  get asksPolicy(): boolean {
    return this.#conditions.some(({ wanted }) => wanted);
  }

  /** @throws {FilterError} */
  add(parsed: FilterExpression, key: PolicyKey): void {
    const test = key === "policy" ? policyTest(parsed) : actionTest(parsed);
    this.#conditions.push({ test, wanted: parsed.operator === "=" });
  }

  hold(event: AgentEvent): boolean {
    for (const { test, wanted } of this.#conditions) {
      if ((isPolicyEvent(event) && test(event)) !== wanted) return false;
    }
    return true;
  }
}

/** By its name, or the name of the binding it was made of. */
function policyTest({ values }: FilterExpression): Test {
  const globs = values.map(({ text }) => new Glob(text));
  return ({ policy: { name } }) => globs.some((glob) => glob.matches(name));
}

/** By the action, or that at the call's end. */
function actionTest(parsed: FilterExpression): Test {
  const words = new Set(parsed.values.map(({ text, position }) => {
    const word = ACTIONS.find((action) => action === text.toUpperCase());
    if (word !== undefined) return word;
    const names = ACTIONS.map((action) => action.toLowerCase());
    const hint = suggestionHint(text, names, "actions");
    throw new FilterError(parsed.expression, position, text, `unknown action "${text}"`, hint);
  }));
  return ({ action, returnAction }) =>
    words.has(action) || (returnAction !== undefined && words.has(returnAction));
}
