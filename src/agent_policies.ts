/**
 * The policies of an agent: from their text to the kernel and back to events. What the control
 * socket and the commands ask is answered here.
 *
 * @module
 */
import {
  asksForWorkloads,
  PolicyLoading,
  type PolicyLoadingParts,
} from "./agent_policy_loading.ts";
import type { HitTeller } from "./pipeline/mod.ts";
import {
  type AddOptions,
  type ComingPolicy,
  complaintAt,
  finishInSlices,
  HitEvents,
  type HostNamespaces,
  type KernelAbilities,
  type LibraryChange,
  planPolicies,
  type Policy,
  type PolicyComplaint,
  PolicyLibrary,
  type PolicyOutcome,
  policyOutlook,
  type PolicyPlan,
  PolicyRecord,
  type PolicyService,
  type PolicySource,
  type PolicyStatus,
  type RunningProcess,
  type Steps,
  unknownHostNamespaces,
  withHostNamespaces,
} from "./policy/mod.ts";

/** What the policies of an agent are made with. */
export interface AgentPoliciesParts extends Omit<PolicyLoadingParts, "onWaiting"> {
  readonly abilities: KernelAbilities;
  readonly hostNamespaces: HostNamespaces;
}

/** All policies. Changes are done one after the other, in the order of the calls. */
export class AgentPolicies implements PolicyService {
  /** Makes events of what matches. */
  readonly teller: HitTeller;
  readonly #parts: AgentPoliciesParts;
  readonly #library = new PolicyLibrary();
  readonly #loading: PolicyLoading;
  readonly #records = new Map<string, PolicyRecord>();
  #last: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;
  #isEnded = false;
  #isTicking = false;
  #isSettling = false;

  constructor(parts: AgentPoliciesParts) {
    this.#parts = parts;
    this.#loading = new PolicyLoading({ ...parts, onWaiting: () => this.#settleSoon() });
    this.teller = new HitEvents({
      owners: (...where) => this.#loading.tables.owners(...where),
      recordOf: (policy) => this.#loading.recordOf(policy),
      counters: parts.counters,
    });
    this.#registerGauges();
  }

  list(): readonly PolicyStatus[] {
    return [...this.#records.values()].map((record) => this.#statusOf(record));
  }

  show(name: string): { readonly status: PolicyStatus; readonly text: string } | undefined {
    const record = this.#find(name);
    return record && { status: this.#statusOf(record), text: record.text };
  }

  add(source: PolicySource, options: AddOptions = {}): Promise<PolicyOutcome> {
    return this.#inTurn(async () => {
      const change = await this.#inSlices(this.#library.stagingAdd(source, options));
      return await this.#change(change);
    });
  }

  removeFile(file: string): Promise<PolicyOutcome> {
    return this.#inTurn(() => this.#change(this.#library.stageRemoveFile(file)));
  }

  /** @throws {PolicyInUseError} a template that still has bindings */
  remove(name: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const key = this.#find(name)?.key ?? `template ${name}`;
      if (this.#library.find(key) === undefined) return false;
      const outcome = await this.#change(this.#library.stageRemove(key));
      if (!outcome.isDone) throw new PolicyInUseError(name, outcome.complaints);
      return true;
    });
  }

  setEnabled(name: string, isEnabled: boolean): Promise<PolicyOutcome> {
    return this.#inTurn(async () => {
      const record = this.#find(name);
      if (record === undefined) return noSuchPolicy(name);
      if ((record.state === "enabled") === isEnabled) return this.#done([record]);
      // Another object, because what concerns a workload is decided once for each.
      const policy = { ...record.policy, mode: record.mode };
      const failure = await this.#loading.replace([{ record, policy, isEnabled }], [record.policy]);
      return failure === undefined ? this.#done([record]) : refused([failure]);
    });
  }

  setMode(name: string, mode: "enforce" | "monitor"): Promise<PolicyOutcome> {
    return this.#inTurn(async () => {
      const record = this.#find(name);
      if (record === undefined) return noSuchPolicy(name);
      if (record.mode === "monitor_only") {
        const text = "it has no action that could be enforced";
        const hint = "add Override, Sigkill or Signal to one of its selectors";
        return refused([complaintAt(record.policy.place, { text, hint })]);
      }
      await this.#loading.tables.setMode(record.key, mode);
      record.setMode(mode, this.#parts.clock.monotonicNs());
      return this.#done([record]);
    });
  }

  plan(
    source: PolicySource,
  ): Promise<PolicyPlan | { readonly complaints: readonly PolicyComplaint[] }> {
    return this.#inTurn(async () => {
      const steps = this.#library.stagingAdd(source, { isTrial: true });
      const change = await this.#inSlices(steps);
      if ("complaints" in change) return change;
      const { records, complaints } = await this.#inSlices(this.#recordsOf(change.comes));
      if (complaints.length > 0) return { complaints };
      const stays = [...this.#records.values()].filter(({ key, state }) =>
        state === "enabled" && !change.goes.includes(key)
      );
      return planPolicies({
        records,
        others: stays.map(({ policy }) => policy),
        subjects: this.#loading.coverage.subjects(),
        abilities: this.#parts.abilities,
        isHooked: (point) => this.#loading.tables.hookOf(point) !== undefined,
      });
    });
  }

  /** Asks it from now on what runs. */
  follow(source: { processes(): Iterable<RunningProcess> }): void {
    this.#loading.processes = () => source.processes();
  }

  /** More is known of a workload; see `WorkloadListener`. */
  amend(trackingId: bigint): void {
    this.#loading.coverage.amend(trackingId);
  }

  /** To be called about once a second, while records are read. */
  tick(): void {
    if (this.#isEnded) return;
    this.#loading.tick();
    if (
      this.#isTicking || (this.#records.size === 0 && this.#loading.tables.hooks().length === 0)
    ) return;
    this.#isTicking = true;
    this.#inTurn(() => this.#loading.tidy())
      .catch((error) => this.#parts.log.error("Cannot tidy up policies: {error}", { error }))
      .finally(() => this.#isTicking = false);
  }

  /** Runs of programs that the kernel has skipped. */
  skippedRuns(): number {
    return this.#isEnded ? 0 : this.#parts.kernel.skippedRuns();
  }

  /** What the kernel counts about programs of policies; one program may serve several hooks. */
  programInfo(): ReturnType<PolicyLoadingParts["kernel"]["programInfo"]> {
    return this.#isEnded ? [] : this.#parts.kernel.programInfo();
  }

  /** Kernel memory of the maps of policies, bytes. */
  mapMemorySize(): number {
    return this.#isEnded ? 0 : this.#parts.kernel.mapMemorySize();
  }

  /** Takes everything out of the kernel, behind the change under way. What matched can be told. */
  end(): Promise<void> {
    const before = this.#last;
    this.#isEnded = true;
    return this.#ended ??= before.then(() => this.#parts.kernel[Symbol.dispose]());
  }

  async #change(
    change: LibraryChange | { readonly complaints: readonly PolicyComplaint[] },
  ): Promise<PolicyOutcome> {
    if ("complaints" in change) return refused(change.complaints);
    const { records, complaints } = await this.#inSlices(this.#recordsOf(change.comes));
    if (complaints.length > 0) return refused(complaints);
    const goes = change.goes.map((key) => this.#records.get(key)!);
    const failure = await this.#loading.replace(
      records.map((record) => ({
        record,
        policy: record.policy,
        isEnabled: record.state === "enabled",
      })),
      goes.map(({ policy }) => policy),
    );
    if (failure !== undefined) return refused([failure]);
    for (const { key } of goes) this.#records.delete(key);
    for (const record of records) this.#records.set(record.key, record);
    this.#library.commit(change);
    return this.#done(records);
  }

  *#recordsOf(comes: readonly ComingPolicy[]): Steps<{
    readonly records: PolicyRecord[];
    readonly complaints: PolicyComplaint[];
  }> {
    const records: PolicyRecord[] = [];
    const complaints: PolicyComplaint[] = [];
    for (const { policy, held, isRebound } of comes) {
      yield;
      const { hostNamespaces, abilities } = this.#parts;
      const complain = (place: Policy["place"], text: string, hint: string) =>
        complaints.push(complaintAt(place, { text, hint }));
      const unknown = unknownHostNamespaces(policy, hostNamespaces);
      for (const { place, namespace } of unknown) {
        const text = `host_ns cannot be used: the host's ${namespace} namespace is not known here`;
        complain(place, text, "run the agent in the host's pid namespace, or write its number");
      }
      if (unknown.length > 0) continue;
      const resolved = withHostNamespaces(policy, hostNamespaces);
      const outlook = policyOutlook(resolved, abilities);
      for (const { place, text, hint } of outlook.obstacles) complain(place, text, hint);
      if (!this.#loading.coverage.hasCgroups && asksForWorkloads(policy)) {
        const text = "it selects workloads, and the agent does not follow cgroups";
        complain(policy.place, text, "see the agent's log, and cgroup.follow");
      }
      if (complaints.length > 0) continue;
      const before = isRebound ? this.#records.get(held.key) : undefined;
      const asked = policy.mode === "monitor_only" ? policy.mode : held.mode ?? policy.mode;
      const record = new PolicyRecord({
        ...{ key: held.key, policy: resolved, mode: before?.mode ?? asked, outlook },
        ...{ source: held.source, text: held.text, isPersistent: held.isPersistent },
      });
      record.state = before?.state ?? (held.isDisabled ? "disabled" : "enabled");
      records.push(record);
    }
    return { records, complaints };
  }

  #find(name: string): PolicyRecord | undefined {
    const exact = this.#records.get(name);
    if (exact !== undefined) return exact;
    const named = [...this.#records.values()].filter((record) => record.name === name);
    return named.length === 1 ? named[0] : undefined;
  }

  #statusOf(record: PolicyRecord): PolicyStatus {
    const workloads = this.#loading.coverage.sets.workloadsOf(record.policy);
    return record.status(workloads?.size ?? null);
  }

  #done(records: readonly PolicyRecord[]): PolicyOutcome {
    return { isDone: true, policies: records.map((record) => this.#statusOf(record)) };
  }

  /** At once, but behind the change under way: until then the cgroup has its parent's policies. */
  #settleSoon(): void {
    if (this.#isSettling || this.#isEnded) return;
    this.#isSettling = true;
    this.#inTurn(() => {
      this.#isSettling = false;
      return this.#loading.coverage.sets.settle();
    }).catch((error) =>
      this.#parts.log.error("Cannot make a set of workloads: {error}", { error })
    );
  }

  #registerGauges(): void {
    const { counters } = this.#parts;
    const gauge = (name: string, help: string, read: () => number) =>
      counters.gauge(name, help, {}, read);
    for (const state of ["enabled", "disabled"] as const) {
      counters.gauge(
        "shrike_policies",
        "Policies by what they are going through",
        { state },
        () => this.#countOf(state),
      );
    }
    gauge(
      "shrike_policy_rows",
      "Rows of values in the kernel's tables",
      () => this.#loading.tables.usage().rows,
    );
    gauge(
      "shrike_policy_slots",
      "Masks of workloads in the kernel's tables",
      () => this.#loading.tables.usage().slots,
    );
    gauge(
      "shrike_policy_resting_selectors",
      "Selectors of policies that are gone and may still be told of",
      () => this.#loading.tables.usage().restingBits,
    );
    gauge(
      "shrike_policy_conflicts",
      "Bindings that do not hold because of another one",
      () => this.#loading.coverage.sets.conflicts().length,
    );
  }

  #countOf(state: PolicyStatus["state"]): number {
    return [...this.#records.values()].filter((record) => record.state === state).length;
  }

  #inSlices<Result>(steps: Steps<Result>): Promise<Result> {
    return finishInSlices(steps, { isCancelled: () => this.#isEnded });
  }

  #inTurn<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    if (this.#isEnded) return Promise.reject(new Error("Cannot change policies: the agent ends"));
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** A template that cannot go. */
export class PolicyInUseError extends Error {
  override readonly name = "PolicyInUseError";
  readonly hint = "remove its bindings first";

  constructor(template: string, readonly complaints: readonly PolicyComplaint[]) {
    const [first] = complaints;
    super(`Cannot remove template "${template}": ${first?.file}:${first?.line} is bound to it`);
  }
}

function refused(complaints: readonly PolicyComplaint[]): PolicyOutcome {
  return { isDone: false, complaints };
}

function noSuchPolicy(name: string): PolicyOutcome {
  const place = { file: name, line: 1, column: 1 };
  const text = `there is no policy "${name}"`;
  return refused([complaintAt(place, { text, hint: "see shrike policy list" })]);
}
