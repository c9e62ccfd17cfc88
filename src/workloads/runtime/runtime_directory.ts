/**
 * Finds the runtimes of this host by their sockets and keeps a link to each. Runtimes may come
 * later than the agent, so it looks again from time to time.
 *
 * @module
 */
import type { Counters } from "../../telemetry/mod.ts";
import type { TimerHandle, Timers } from "../timers.ts";
import { ContainerdClient } from "./containerd_client.ts";
import { CriClient } from "./cri_client.ts";
import { DockerClient } from "./docker_client.ts";
import { FactLimits } from "./fact_limits.ts";
import { PodmanClient } from "./podman_client.ts";
import type {
  ClientLimits,
  RuntimeApi,
  RuntimeChange,
  RuntimeClient,
  Subject,
} from "./runtime_client.ts";
import { type LinkReport, type ProbeReport, RuntimeLink } from "./runtime_link.ts";
import { apisFor, isTrusted } from "./runtime_order.ts";
import { SystemdClient } from "../systemd/systemd_client.ts";
import {
  type SocketPlace,
  SYSTEM_SOCKETS,
  USER_RUNTIME_FOLDER,
  USER_SOCKETS,
} from "./well_known_sockets.ts";

/**
 * How often sockets are looked for: a stat of a dozen paths, so that a new runtime is known at
 * once.
 */
const SEARCH_INTERVAL_MS = 1000;
/** Endpoints at most; a host has one to three, each logged-in user two. */
const LINKS_MAX = 32;

/** What to look for and how to ask. */
export interface DirectoryOptions {
  /** Sockets to try; the well-known ones when missing. */
  readonly sockets?: readonly SocketPlace[];
  /** Whether to look for rootless runtimes below /run/user too. */
  readonly searchUsers: boolean;
  readonly limits: ClientLimits;
  readonly counters: Counters;
  readonly timers: Timers;
  readonly report: (change: RuntimeChange, api: RuntimeApi) => void;
  /** A link was made: somebody may now know what nobody knew. */
  readonly found: (api: RuntimeApi) => void;
}

/** The links of this host. */
export class RuntimeDirectory {
  readonly #options: DirectoryOptions;
  readonly #factLimits: FactLimits;
  /** By api and socket. */
  readonly #links = new Map<string, RuntimeLink>();
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#factLimits = new FactLimits(options.counters);
    options.counters.gauge(
      "shrike_workloads_runtimes",
      "Endpoints of container runtimes and of systemd that were found",
      {},
      () => this.#links.size,
    );
  }

  /** Looks for sockets now and then again from time to time. */
  start(): void {
    if (this.#isClosed) return;
    this.search();
    this.#timer = this.#options.timers.after(SEARCH_INTERVAL_MS, () => this.start());
  }

  /** Looks for sockets now. Never throws. */
  search(): void {
    this.#dropLoggedOut();
    for (const place of this.#places()) {
      const key = `${place.api} ${place.path}`;
      if (this.#links.has(key) || this.#links.size >= LINKS_MAX || !isOwnersSocket(place)) continue;
      const link = new RuntimeLink(this.#makeClient(place), {
        ...this.#options,
        report: (change, api) => this.#report(change, api, place.path),
      });
      this.#links.set(key, link);
      link.start();
      this.#options.found(place.api);
    }
  }

  /** Links that may know the subject, best first. */
  linksFor(subject: Subject): RuntimeLink[] {
    return apisFor(subject).flatMap((api) =>
      [...this.#links.values()].filter(({ client }) =>
        client.api === api && isTrusted(client.userUid, subject)
      )
    );
  }

  /** State of all endpoints, for `doctor`. */
  describe(): LinkReport[] {
    return [...this.#links.values()].map((link) => link.describe());
  }

  /** Asks all endpoints for their versions. Never throws. */
  probe(): Promise<ProbeReport[]> {
    return Promise.all([...this.#links.values()].map((link) => link.probe()));
  }

  /** Closes all links. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  /** Who answers one API on a socket is there for the others too, which may have no stream. */
  #report(change: RuntimeChange, api: RuntimeApi, socketPath: string): void {
    this.#options.report(change, api);
    if (change.type !== "connected") return;
    for (const link of this.#links.values()) {
      if (link.client.socketPath !== socketPath || link.client.api === api) continue;
      link.resume();
      this.#options.report(change, link.client.api);
    }
  }

  /** A user's sockets go with the login; the system's stay, because a runtime comes back. */
  #dropLoggedOut(): void {
    for (const [key, link] of this.#links) {
      const { api, socketPath: path, userUid } = link.client;
      if (userUid === undefined || isOwnersSocket({ api, path, userUid })) continue;
      link.close();
      this.#links.delete(key);
    }
  }

  #places(): readonly SocketPlace[] {
    const system = this.#options.sockets ?? SYSTEM_SOCKETS;
    return this.#options.searchUsers ? [...system, ...userPlaces()] : system;
  }

  #makeClient(place: SocketPlace): RuntimeClient {
    const options = {
      socketPath: place.path,
      limits: this.#options.limits,
      factLimits: this.#factLimits,
      ...(place.userUid === undefined ? {} : { userUid: place.userUid }),
    };
    switch (place.api) {
      case "cri":
        return new CriClient(options);
      case "containerd":
        return new ContainerdClient(options);
      case "docker":
        return new DockerClient(options);
      case "podman":
        return new PodmanClient(options);
      case "systemd":
        return new SystemdClient(options);
    }
  }
}

/**
 * Whether the path is a socket of root, or of the user it is found below. What another user made is
 * not believed.
 */
function isOwnersSocket({ path, userUid }: SocketPlace): boolean {
  try {
    const { isSocket, uid } = Deno.statSync(path);
    return isSocket === true && (uid === 0 || uid === (userUid ?? Deno.uid()));
  } catch {
    return false;
  }
}

function userPlaces(): SocketPlace[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(USER_RUNTIME_FOLDER)].map(({ name }) => name);
  } catch {
    // No login manager here.
    return [];
  }
  return names.filter((name) => /^\d{1,10}$/.test(name)).flatMap((name) =>
    USER_SOCKETS.map(({ api, path }) => ({
      api,
      path: `${USER_RUNTIME_FOLDER}/${name}/${path}`,
      userUid: Number(name),
    }))
  );
}
