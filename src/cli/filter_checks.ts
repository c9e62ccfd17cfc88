/**
 * Filters checked with the other settings, so that a mistake names its flag, variable or line.
 *
 * @module
 */
import { Rejected, type ValueChecks } from "../config/mod.ts";
import { EventFilter, FilterError, type UserNames } from "../export/mod.ts";
import { Counters } from "../telemetry/mod.ts";
import { FILTER_FLAGS } from "./selection.ts";

/** Checks of `--filter` and of all flags that stand for one. */
export function filterChecks(names: Pick<UserNames, "uidOf">): ValueChecks {
  const checks: ValueChecks = { filters: (text) => checkFilter(text, names) };
  for (const [name, key] of Object.entries(FILTER_FLAGS)) {
    checks[name as keyof typeof FILTER_FLAGS] = (text) => checkFilter(`${key}=${text}`, names);
  }
  return checks;
}

function checkFilter(text: string, names: Pick<UserNames, "uidOf">): Rejected | undefined {
  try {
    new EventFilter([text], { counters: new Counters(), userId: (name) => names.uidOf(name) });
    return undefined;
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    const state = error.message.replace(/^Cannot use filter "[^]*?": /, "");
    return new Rejected(`"${text}": ${state}`, error.hint);
  }
}
