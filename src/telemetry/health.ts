/**
 * What the service manager is told: ready, stopping, status, and that the agent is alive. The
 * protocol of sd_notify(3), without its library.
 *
 * @module
 */

/** Sends one datagram to a unix socket; a leading "@" names an abstract one. May throw. */
export type SendDatagram = (address: string, message: Uint8Array) => void;

/** What `ServiceManager` is made of. */
export interface ServiceManagerOptions {
  /** The process environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read. */
  readonly environment: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly send: SendDatagram;
}

/** A shorter watchdog would make the agent busy with pings alone. */
const PING_INTERVAL_MIN_MS = 10;
/** setTimeout(3) of JavaScript takes 31 bits of ms. */
const PING_INTERVAL_MAX_MS = 0x7fff_ffff;

/** The service manager, or silence when there is none. A message that cannot be sent is counted. */
export class ServiceManager {
  /** How often to call `ping()`, ms: half of the watchdog's time. Undefined: no watchdog. */
  readonly pingIntervalMs: number | undefined;
  readonly #address: string | undefined;
  readonly #send: SendDatagram;
  #failures = 0;

  constructor({ environment, pid, send }: ServiceManagerOptions) {
    const address = environment["NOTIFY_SOCKET"];
    // Other forms, such as vsock:, are for virtual machines and not for services.
    const isUsable = address !== undefined && /^[/@]./.test(address);
    this.#address = isUsable ? address : undefined;
    this.#send = send;
    this.pingIntervalMs = isUsable ? pingInterval(environment, pid) : undefined;
  }

  /** Whether a service manager listens. */
  get isPresent(): boolean {
    return this.#address !== undefined;
  }

  /** Messages that could not be sent. */
  get failures(): number {
    return this.#failures;
  }

  /** Start-up is done; `status` is what `systemctl status` shows. */
  ready(status: string): void {
    this.#notify(`READY=1\nSTATUS=${oneLine(status)}`);
  }

  status(status: string): void {
    this.#notify(`STATUS=${oneLine(status)}`);
  }

  stopping(): void {
    this.#notify("STOPPING=1\nSTATUS=Stopping");
  }

  ping(): void {
    this.#notify("WATCHDOG=1");
  }

  #notify(message: string): void {
    if (this.#address === undefined) return;
    try {
      this.#send(this.#address, new TextEncoder().encode(message));
    } catch {
      this.#failures++;
    }
  }
}

/**
 * Pings the service manager as long as the agent makes progress, so that a hung pipeline is
 * restarted although timers still fire.
 */
export class Watchdog {
  readonly #manager: ServiceManager;
  readonly #progress: () => number;
  #last: number;
  #missed = 0;

  /** @param progress a number that changes whenever the pipeline has made a turn, idle or not */
  constructor(manager: ServiceManager, progress: () => number) {
    this.#manager = manager;
    this.#progress = progress;
    this.#last = Number.NaN;
  }

  /** Ticks without progress since the last one with it. */
  get missed(): number {
    return this.#missed;
  }

  /** To be called each `ServiceManager.pingIntervalMs`. */
  tick(): void {
    const now = this.#progress();
    if (now === this.#last) {
      this.#missed++;
      return;
    }
    this.#last = now;
    this.#missed = 0;
    this.#manager.ping();
  }
}

function pingInterval(
  environment: Readonly<Record<string, string>>,
  pid: number,
): number | undefined {
  const usec = Number(environment["WATCHDOG_USEC"] ?? Number.NaN);
  if (!Number.isSafeInteger(usec) || usec <= 0) return undefined;
  // The variables may be inherited from a service that started us by hand.
  const watchedPid = environment["WATCHDOG_PID"];
  if (watchedPid !== undefined && Number(watchedPid) !== pid) return undefined;
  const halfMs = Math.floor(usec / 2000);
  return Math.min(Math.max(halfMs, PING_INTERVAL_MIN_MS), PING_INTERVAL_MAX_MS);
}

/** The protocol's fields end at a line feed. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
