/**
 * Descriptions of units, from systemd over the system bus. Only two methods that read are called.
 *
 * @module
 */
import { FactLimits } from "../runtime/fact_limits.ts";
import {
  type ClientLimits,
  type RuntimeClient,
  RuntimeError,
  type RuntimeErrorCode,
  type RuntimeFacts,
  type Subject,
} from "../runtime/runtime_client.ts";
import {
  type DbusCall,
  type DbusMessage,
  DbusMessageError,
  DbusType,
  decodeMessage,
  encodeCall,
  FIXED_HEADER_SIZE,
  messageSize,
} from "./dbus_message.ts";

const SYSTEMD = "org.freedesktop.systemd1";
const MANAGER_PATH = "/org/freedesktop/systemd1";
const PROPERTIES = "org.freedesktop.DBus.Properties";
/** What systemd answers for a unit it does not have loaded. */
const NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";
/** The bus greets each new client with a signal or two before the answers. */
const FOREIGN_MESSAGES_MAX = 16;
/** Longest line of the log-in: "OK" and 32 digits, or an error. */
const LINE_SIZE_MAX = 512;

/** Where the system bus is and within which bounds. */
export interface SystemdClientOptions {
  readonly socketPath: string;
  readonly limits: ClientLimits;
  readonly factLimits: FactLimits;
}

/** Client of the system's service manager. One connection per question: there are few. */
export class SystemdClient implements RuntimeClient {
  readonly api = "systemd";
  readonly socketPath: string;
  readonly #limits: ClientLimits;
  readonly #factLimits: FactLimits;

  constructor(options: SystemdClientOptions) {
    this.socketPath = options.socketPath;
    this.#limits = options.limits;
    this.#factLimits = options.factLimits;
  }

  lookUp(subject: Subject): Promise<RuntimeFacts | undefined> {
    return this.#withBus((bus) => this.#ask(bus, subject.id));
  }

  version(): Promise<string | undefined> {
    return this.#withBus(async (bus) => {
      const asked = [`${SYSTEMD}.Manager`, "Version"];
      const version = this.#factLimits.text(
        await this.#call(bus, PROPERTIES, MANAGER_PATH, "Get", asked),
      );
      return version === undefined ? undefined : `systemd ${version}`;
    });
  }

  /** Descriptions do not change while a unit runs. */
  watch(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}

  async #withBus<Answer>(ask: (bus: Bus) => Promise<Answer>): Promise<Answer> {
    let isTimedOut = false;
    let bus: Bus | undefined;
    const timer = setTimeout(() => {
      isTimedOut = true;
      bus?.close();
    }, this.#limits.timeoutMs);
    try {
      // Connecting to a unix socket never waits for the other side, but for room in its queue.
      bus = new Bus(await Deno.connect({ transport: "unix", path: this.socketPath }), this.#limits);
      await bus.logIn();
      await this.#call(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "Hello", []);
      return await ask(bus);
    } catch (error) {
      if (isTimedOut) {
        throw this.#error("timeout", `no answer within ${this.#limits.timeoutMs} ms`, error);
      }
      throw this.#explain(error);
    } finally {
      clearTimeout(timer);
      bus?.close();
    }
  }

  async #ask(bus: Bus, unitName: string): Promise<RuntimeFacts | undefined> {
    const path = await this.#call(bus, `${SYSTEMD}.Manager`, MANAGER_PATH, "GetUnit", [unitName]);
    if (path === undefined) return undefined;
    const asked = [`${SYSTEMD}.Unit`, "Description"];
    const description = this.#factLimits.text(
      await this.#call(bus, PROPERTIES, path, "Get", asked),
    );
    return description === undefined ? undefined : { description };
  }

  /** First text of the reply; undefined when systemd has no such unit. */
  async #call(
    bus: Bus,
    iface: string,
    path: string,
    member: string,
    args: readonly string[],
  ): Promise<string | undefined> {
    const destination = member === "Hello" ? iface : SYSTEMD;
    const reply = await bus.call({ destination, path, interface: iface, member, arguments: args });
    if (reply.type !== DbusType.error) return reply.text;
    if (reply.errorName === NO_SUCH_UNIT) return undefined;
    throw this.#error("refused", reply.errorName);
  }

  #explain(error: unknown): RuntimeError {
    if (error instanceof RuntimeError) return error;
    const found = error instanceof Error ? error.message : String(error);
    return this.#error(
      error instanceof DbusMessageError ? "protocol" : "unreachable",
      found,
      error,
    );
  }

  #error(code: RuntimeErrorCode, found: string, cause?: unknown): RuntimeError {
    return new RuntimeError(this.api, code, found, cause === undefined ? {} : { cause });
  }
}

/** One connection to a bus. Owns the socket. */
class Bus {
  readonly #socket: Deno.Conn;
  readonly #limits: ClientLimits;
  #received = new Uint8Array(0);
  #serial = 0;
  #isClosed = false;

  constructor(socket: Deno.Conn, limits: ClientLimits) {
    this.#socket = socket;
    this.#limits = limits;
  }

  /** EXTERNAL: the kernel tells the bus who we are. */
  async logIn(): Promise<void> {
    const uid = [...String(Deno.uid() ?? 0)].map((digit) => `3${digit}`).join("");
    await this.#send(new TextEncoder().encode(`\0AUTH EXTERNAL ${uid}\r\n`));
    const line = await this.#readLine();
    if (!line.startsWith("OK ")) throw new DbusMessageError(`the bus said "${line.slice(0, 40)}"`);
    await this.#send(new TextEncoder().encode("BEGIN\r\n"));
  }

  async call(call: Omit<DbusCall, "serial">): Promise<DbusMessage> {
    this.#serial += 1;
    await this.#send(encodeCall({ ...call, serial: this.#serial }));
    for (let count = 0; count < FOREIGN_MESSAGES_MAX; count++) {
      const message = await this.#readMessage();
      const isReply = message.type === DbusType.methodReturn || message.type === DbusType.error;
      if (isReply && message.replySerial === this.#serial) return message;
    }
    throw new DbusMessageError("no reply among the messages that came");
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.close();
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf(0x0a);
      if (end !== -1) return new TextDecoder().decode(this.#take(end + 1)).trimEnd();
      if (this.#received.length > LINE_SIZE_MAX) {
        throw new DbusMessageError("the bus does not log in");
      }
      await this.#receive();
    }
  }

  async #readMessage(): Promise<DbusMessage> {
    while (this.#received.length < FIXED_HEADER_SIZE) await this.#receive();
    const size = messageSize(this.#received);
    if (size > this.#limits.responseSizeMax) throw new DbusMessageError(`message of ${size} bytes`);
    while (this.#received.length < size) await this.#receive();
    return decodeMessage(this.#take(size));
  }

  #take(size: number): Uint8Array {
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.slice(size);
    return taken;
  }

  async #receive(): Promise<void> {
    const chunk = new Uint8Array(4096);
    const size = await this.#socket.read(chunk);
    if (size === null) throw new Error("the bus closed the connection");
    const joined = new Uint8Array(this.#received.length + size);
    joined.set(this.#received);
    joined.set(chunk.subarray(0, size), this.#received.length);
    this.#received = joined;
  }
}
