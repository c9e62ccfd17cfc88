/**
 * What people ask of a running agent: the control socket, and the policies that are given to it by
 * files and kept from before.
 *
 * @module
 */
import {
  ControlError,
  ControlServer,
  DEFAULT_CONTROL_SOCKET,
  SocketTakenError,
} from "./api/mod.ts";
import { KeptPolicies } from "./agent_kept_policies.ts";
import { PolicyFiles } from "./agent_policy_files.ts";
import { PolicyStore } from "./agent_policy_store.ts";
import { type Config, OFF } from "./config/mod.ts";
import type { Payload } from "./loader/mod.ts";
import type { NetworkService } from "./network/mod.ts";
import type { PolicyService } from "./policy/mod.ts";
import type { Clock, Counters, Log } from "./telemetry/mod.ts";

/** What the control of an agent is made with. */
export interface AgentControlParts {
  readonly config: Pick<
    Config,
    "controlSocket" | "policyDirectory" | "policyFiles" | "persistDirectory"
  >;
  /** Undefined: this agent has no policies. */
  readonly policies: PolicyService | undefined;
  /** Missing: this agent does not count traffic. */
  readonly network?: NetworkService | undefined;
  readonly payload: Pick<Payload, "build">;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
  /** Those of the system unless a test has others. */
  readonly places?: ControlPlaces;
}

/** What stands for settings that nobody has given. */
export interface ControlPlaces {
  readonly socket: string;
  readonly policyDirectory: string;
  readonly isRoot: boolean;
}

const ROOT = 0;

/** Of this host. */
export function systemPlaces(): ControlPlaces {
  return {
    socket: DEFAULT_CONTROL_SOCKET,
    policyDirectory: "/etc/shrike/policies",
    isRoot: Deno.uid() === ROOT,
  };
}

/** Nothing here ends the agent: what cannot be had is told, and it goes on without. */
export class AgentControl implements AsyncDisposable {
  readonly #parts: AgentControlParts;
  readonly #places: ControlPlaces;
  readonly #kept: KeptPolicies | undefined;
  readonly #parting = new AsyncDisposableStack();
  #files: PolicyFiles | undefined;

  constructor(parts: AgentControlParts) {
    this.#parts = parts;
    this.#places = parts.places ?? systemPlaces();
    const { policies, log, config: { persistDirectory } } = parts;
    const store = persistDirectory === OFF ? undefined : new PolicyStore(persistDirectory);
    const refusals = () => this.#files?.refusals() ?? [];
    this.#kept = policies && new KeptPolicies({ policies, store, log, refusals });
  }

  /** Listens, and loads what policies there are; resolves when they are in force. */
  async start(): Promise<void> {
    const isOnlyAgent = await this.#listen();
    const kept = this.#kept;
    if (kept === undefined) return;
    // The policies of the host are those of the agent that is asked about them: a second one, to
    // look at something, must not do everything twice.
    if (isOnlyAgent) await kept.load();
    const files = this.#parting.use(this.#openFiles(kept, isOnlyAgent));
    this.#files = files;
    await files.look();
    if (isOnlyAgent) await kept.loadRest();
    files.watch();
  }

  /** No more questions and changes; policies stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parting.disposeAsync();
  }

  #openFiles(kept: KeptPolicies, isOnlyAgent: boolean): PolicyFiles {
    const { config: { policyDirectory, policyFiles }, counters, log } = this.#parts;
    const isGiven = policyDirectory !== undefined;
    const directory = isGiven || !isOnlyAgent ? policyDirectory : this.#places.policyDirectory;
    return new PolicyFiles({
      policies: kept,
      ...(directory !== undefined && directory !== OFF && { directory }),
      needsDirectory: isGiven,
      files: policyFiles,
      ...{ counters, log },
    });
  }

  /** @returns whether no other agent is known to be asked on this host */
  async #listen(): Promise<boolean> {
    const { controlSocket } = this.#parts.config;
    const path = controlSocket ?? (this.#places.isRoot ? this.#places.socket : OFF);
    if (path === OFF) return true;
    const { payload, network, clock, counters, log } = this.#parts;
    const agent = {
      version: payload.build().version,
      pid: Deno.pid,
      sinceNs: clock.wallNs(clock.monotonicNs()),
    };
    try {
      const services = { policies: this.#kept, network };
      const server = await ControlServer.open({ path, agent, ...services, counters, log });
      this.#parting.use(server);
      return true;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const isTaken = error instanceof SocketTakenError;
      const rest = isTaken ? " and without the policies of this host" : "";
      log.warn("{error}, continuing without control socket{rest}", {
        ...{ error, rest, hint: error.hint },
      });
      return !isTaken;
    }
  }
}
