/**
 * The policies of an agent with those that are kept over restarts: what the control socket asks.
 *
 * @module
 */
import {
  PolicyStore,
  PolicyStoreError,
  type StagedPolicies,
  type StoredPolicy,
} from "./agent_policy_store.ts";
import {
  type AddOptions,
  type DocumentText,
  finishInSlices,
  type PolicyComplaint,
  type PolicyOutcome,
  type PolicyPlan,
  type PolicyService,
  type PolicySource,
  type PolicyStatus,
  readingPolicies,
  splitDocuments,
} from "./policy/mod.ts";
import type { Log } from "./telemetry/mod.ts";

/** What kept policies are made with. */
export interface KeptPoliciesParts {
  readonly policies: PolicyService;
  /** Undefined: nothing can be kept. */
  readonly store: PolicyStore | undefined;
  readonly log: Log;
  /** Rows for policies that could not be loaded, listed behind the others. */
  readonly refusals?: () => readonly PolicyStatus[];
}

/** Hands on what it is asked, and writes down what is to be kept. Changes wait for each other. */
export class KeptPolicies implements PolicyService {
  readonly #policies: PolicyService;
  readonly #store: PolicyStore | undefined;
  readonly #log: Log;
  readonly #refusals: () => readonly PolicyStatus[];
  #last: Promise<unknown> = Promise.resolve();
  #waiting: StoredPolicy[] = [];

  constructor({ policies, store, log, refusals = () => [] }: KeptPoliciesParts) {
    this.#policies = policies;
    this.#store = store;
    this.#log = log;
    this.#refusals = refusals;
  }

  /** Adds what was kept; what is not taken waits for `loadRest()`. Never rejects. */
  async load(): Promise<void> {
    const { policies, failures } = this.#store?.read() ?? { policies: [], failures: [] };
    for (const { message, hint } of failures) this.#log.error("{message}", { message, hint });
    for (const policy of policies) {
      if ((await this.#restore(policy)).length > 0) this.#waiting.push(policy);
    }
  }

  /** Adds what was not taken before, now that there may be templates from files. */
  async loadRest(): Promise<void> {
    for (const policy of this.#waiting.splice(0)) {
      for (const { file, line, column, text, hint } of await this.#restore(policy)) {
        this.#log.error('The kept policy "{key}" at {file}:{line}:{column}: {text}', {
          ...{ key: policy.key, file, line, column, text },
          hint: `${hint}; it stays in policy.persist_dir until it is deleted`,
        });
      }
    }
  }

  async #restore({ file, text, mode, isDisabled }: StoredPolicy): Promise<
    readonly PolicyComplaint[]
  > {
    const options = { isPersistent: true, isDisabled, ...(mode !== undefined && { mode }) };
    try {
      const outcome = await this.#policies.add({ file, text }, options);
      return outcome.isDone ? [] : outcome.complaints;
    } catch (error) {
      return [complaintOf(file, error)];
    }
  }

  list(): readonly PolicyStatus[] {
    return [...this.#policies.list(), ...this.#refusals()];
  }

  show(name: string): { readonly status: PolicyStatus; readonly text: string } | undefined {
    return this.#policies.show(name);
  }

  plan(
    source: PolicySource,
  ): Promise<PolicyPlan | { readonly complaints: readonly PolicyComplaint[] }> {
    return this.#policies.plan(source);
  }

  removeFile(file: string): Promise<PolicyOutcome> {
    return this.#policies.removeFile(file);
  }

  add(source: PolicySource, options: AddOptions = {}): Promise<PolicyOutcome> {
    return this.#inTurn(() => this.#add(source, options));
  }

  async #add(source: PolicySource, options: AddOptions): Promise<PolicyOutcome> {
    if (options.isWholeFile) return await this.#policies.add(source, options);
    if (!options.isPersistent) {
      const outcome = await this.#policies.add(source, options);
      // Policies of that name that were kept are not there any more.
      if (outcome.isDone) {
        for (const { key } of await documentsOf(source)) this.#store?.remove(key);
      }
      return outcome;
    }
    try {
      if (this.#store === undefined) throw new NowhereToKeepError();
      const { mode, isDisabled = false } = options;
      const kept = { file: source.file, ...(mode !== undefined && { mode }), isDisabled };
      const documents = await documentsOf(source);
      // On the disk first: then only a rename may fail after the policies are in force.
      using staged = this.#store.stage(
        documents.map((document) => ({ ...kept, ...document })),
      );
      const outcome = await this.#policies.add(source, options);
      if (outcome.isDone) commit(staged);
      return outcome;
    } catch (error) {
      if (!(error instanceof PolicyStoreError) && !(error instanceof NowhereToKeepError)) {
        throw error;
      }
      return { isDone: false, complaints: [complaintOf(source.file, error)] };
    }
  }

  remove(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const shown = this.#policies.show(name);
      const isRemoved = await this.#policies.remove(name);
      if (!isRemoved) return this.#removeWaiting(name);
      this.#store?.remove(shown === undefined ? `template ${name}` : keyOf(shown.status));
      return true;
    });
  }

  /** One that is kept but was not taken is not listed; deleting it is the only cure. */
  #removeWaiting(name: string): boolean {
    return this.#store?.remove(name) === true ||
      this.#store?.remove(`template ${name}`) === true;
  }

  setEnabled(name: string, isEnabled: boolean): Promise<PolicyOutcome> {
    return this.#inTurn(async () => {
      const outcome = await this.#policies.setEnabled(name, isEnabled);
      if (outcome.isDone) this.#rewrite(name, (policy) => ({ ...policy, isDisabled: !isEnabled }));
      return outcome;
    });
  }

  setMode(name: string, mode: "enforce" | "monitor"): Promise<PolicyOutcome> {
    return this.#inTurn(async () => {
      const outcome = await this.#policies.setMode(name, mode);
      if (outcome.isDone) this.#rewrite(name, (policy) => ({ ...policy, mode }));
      return outcome;
    });
  }

  #rewrite(name: string, change: (policy: StoredPolicy) => StoredPolicy): void {
    const shown = this.#policies.show(name);
    if (shown === undefined || !shown.status.isPersistent) return;
    const stored = this.#store?.find(keyOf(shown.status));
    if (stored !== undefined) this.#store!.write(change(stored));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** They are in force and cannot be kept: neither done nor undone, so it is no outcome. */
class NotKeptError extends Error {
  override readonly name = "NotKeptError";
  readonly hint: string;

  constructor(cause: PolicyStoreError) {
    super(`${cause.message}; the policies are in force until the agent ends`, { cause });
    this.hint = cause.hint;
  }
}

function commit(staged: StagedPolicies): void {
  try {
    staged.commit();
  } catch (error) {
    throw error instanceof PolicyStoreError ? new NotKeptError(error) : error;
  }
}

/** `--persist` without a directory for it. */
class NowhereToKeepError extends Error {
  override readonly name = "NowhereToKeepError";
  readonly hint = "set policy.persist_dir, or leave --persist out";

  constructor() {
    super("Cannot keep policies: the agent has no directory for them");
  }
}

function keyOf({ name, namespace }: PolicyStatus): string {
  return namespace === undefined || name.includes("/") ? name : `${namespace}/${name}`;
}

function complaintOf(file: string, error: unknown): PolicyComplaint {
  const text = error instanceof Error ? error.message.split("\n")[0]! : String(error);
  const hint = (error as { hint?: unknown } | undefined)?.hint;
  const place = { file, line: 1, column: 1 };
  return { ...place, text, hint: typeof hint === "string" ? hint : "see the agent's log" };
}

async function documentsOf({ file, text }: PolicySource): Promise<DocumentText[]> {
  return splitDocuments(await finishInSlices(readingPolicies(text, { file })));
}
