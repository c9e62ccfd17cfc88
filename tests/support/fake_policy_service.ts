/**
 * Policies of an agent that has none of it in a kernel: a text of lines `policy NAME` becomes
 * policies, other lines are mistakes.
 *
 * @module
 */
import type {
  AddOptions,
  PolicyComplaint,
  PolicyOutcome,
  PolicyPlan,
  PolicyService,
  PolicySource,
  PolicyStatus,
} from "../../src/policy/mod.ts";

interface Held {
  status: PolicyStatus;
  text: string;
}

/** Keeps the rules of `PolicyService` about names, files and wholes; remembers what it was told. */
export class FakePolicyService implements PolicyService {
  readonly calls: string[] = [];
  /** Thrown by the next call. */
  failure: Error | undefined;
  /** Awaited by `add()`. */
  delay: Promise<void> = Promise.resolve();
  readonly #held = new Map<string, Held>();

  get names(): string[] {
    return [...this.#held.keys()];
  }

  list(): readonly PolicyStatus[] {
    this.#called("list");
    return [...this.#held.values()].map(({ status }) => status);
  }

  show(name: string): { readonly status: PolicyStatus; readonly text: string } | undefined {
    return this.#held.get(name);
  }

  async add(source: PolicySource, options: AddOptions = {}): Promise<PolicyOutcome> {
    this.#called(`add ${source.file}`);
    await this.delay;
    const names = new Map<string, string>();
    const complaints: PolicyComplaint[] = [];
    for (const [index, text] of source.text.split("\n").entries()) {
      const place = { file: source.file, line: index + 1, column: 1 };
      const complain = (text: string) => complaints.push({ ...place, text, hint: "change it" });
      const name = /^policy (\S+)$/.exec(text)?.[1];
      if (text === "" || text.startsWith("#")) continue;
      if (name === undefined) {
        complain("is no policy");
        continue;
      }
      const owner = this.#held.get(name)?.status.source;
      const isOwn = options.isWholeFile ? owner === source.file : owner === "api";
      const isFree = owner === undefined || (isOwn && (options.isWholeFile || options.replaces));
      if (isFree) names.set(name, text);
      else complain(`the name "${name}" is taken by ${owner}`);
    }
    if (complaints.length > 0) return { isDone: false, complaints };
    if (options.isWholeFile) {
      for (const [name, { status }] of this.#held) {
        if (status.source === source.file && !names.has(name)) this.#held.delete(name);
      }
    }
    const policies = [...names].map(([name, text]) => {
      const status = samplePolicyStatus({
        name,
        state: options.isDisabled ? "disabled" : "enabled",
        mode: options.mode ?? "enforce",
        source: options.isWholeFile ? source.file : "api",
        isPersistent: options.isPersistent ?? false,
      });
      this.#held.set(name, { status, text });
      return status;
    });
    return { isDone: true, policies };
  }

  removeFile(file: string): Promise<PolicyOutcome> {
    this.#called(`remove file ${file}`);
    for (const [name, { status }] of this.#held) {
      if (status.source === file) this.#held.delete(name);
    }
    return Promise.resolve({ isDone: true, policies: [] });
  }

  remove(name: string): Promise<boolean> {
    this.#called(`remove ${name}`);
    return Promise.resolve(this.#held.delete(name));
  }

  setEnabled(name: string, isEnabled: boolean): Promise<PolicyOutcome> {
    this.#called(`${isEnabled ? "enable" : "disable"} ${name}`);
    return this.#change(name, { state: isEnabled ? "enabled" : "disabled" });
  }

  setMode(name: string, mode: "enforce" | "monitor"): Promise<PolicyOutcome> {
    this.#called(`${mode} ${name}`);
    return this.#change(name, { mode });
  }

  plan(
    source: PolicySource,
  ): Promise<PolicyPlan | { readonly complaints: readonly PolicyComplaint[] }> {
    this.#called(`plan ${source.file}`);
    if (!/^policy \S+$/.test(source.text)) {
      const place = { file: source.file, line: 1, column: 2 };
      return Promise.resolve({
        complaints: [{ ...place, text: "is no policy", hint: "write one" }],
      });
    }
    const name = source.text.slice("policy ".length);
    return Promise.resolve({
      policies: [samplePolicyStatus({ name, source: source.file })],
      hooks: [{ hook: "syscall openat", isNew: true }, { hook: "lsm file_open", isNew: false }],
      kernelSize: 2048,
      workloads: [{ policy: name, names: ["container web"] }],
      conflicts: ['binding "a" and binding "b" select container web'],
      notes: [{ file: source.file, line: 1, column: 1, text: "is weak", hint: "see" }],
    });
  }

  #change(name: string, fields: Partial<PolicyStatus>): Promise<PolicyOutcome> {
    const held = this.#held.get(name)!;
    held.status = { ...held.status, ...fields };
    return Promise.resolve({ isDone: true, policies: [held.status] });
  }

  #called(what: string): void {
    this.calls.push(what);
    const failure = this.failure;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

/** A policy with all that a status may have. */
export function samplePolicyStatus(fields: Partial<PolicyStatus> = {}): PolicyStatus {
  return {
    name: "keep-secrets",
    state: "enabled",
    mode: "enforce",
    guarantee: "kill-after",
    workloads: 3,
    hits: { post: 12, signal: 2, override: 0, monitored: 1 },
    kernelSize: 1536,
    source: "api",
    isPersistent: false,
    rules: [
      {
        hook: "syscall openat",
        selector: "0",
        actions: ["Post", "Sigkill"],
        guarantee: "kill-after",
        reason: "no LSM on this kernel",
      },
      { hook: "lsm file_open", selector: "shadow", actions: ["Post"], guarantee: "observe" },
    ],
    ...fields,
  };
}
