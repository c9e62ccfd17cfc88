/**
 * Where the metrics are answered, as people write it: `127.0.0.1:9464`, `[::1]:9464`,
 * `unix:/run/shrike/metrics.sock`.
 *
 * @module
 */
import { isIP } from "node:net";
import { quote } from "../telemetry/mod.ts";
import { OFF } from "./policy_options.ts";
import { Rejected, type ValueType } from "./value.ts";

/** A place to listen at, or none. */
export type MetricsAddress =
  | { readonly kind: "off" }
  /** `host` is an address or a name that the system's resolver knows. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Absolute path. */
  | { readonly kind: "unix"; readonly path: string };

const FORMS = "write HOST:PORT, [IPV6]:PORT or unix:PATH, such as 127.0.0.1:9464";
/** `sun_path` of unix(7) has 108 bytes, the NUL among them. */
const PATH_SIZE_MAX = 107;
const PORT_MAX = 65_535;
/** A name of DNS (RFC 1123); underscores are in use too. */
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;

/** One of the three forms, or "off". */
export function metricsAddress(): ValueType<MetricsAddress> {
  return {
    placeholder: "<address>",
    allowed: "HOST:PORT, [IPV6]:PORT, unix:PATH, or off",
    isFile: false,
    parse: (text) => {
      if (text === OFF || text === "") return { kind: "off" };
      return text.startsWith("unix:") ? parseUnix(text) : parseTcp(text);
    },
    format: addressText,
  };
}

/** As people write it. */
export function addressText(address: MetricsAddress): string {
  if (address.kind === "off") return OFF;
  if (address.kind === "unix") return `unix:${address.path}`;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseUnix(text: string): MetricsAddress | Rejected {
  const path = text.slice("unix:".length);
  if (!path.startsWith("/") || path.includes("\0") || path.endsWith("/")) {
    return new Rejected(
      `${quote(text)} has no absolute path of a socket`,
      "write unix:PATH, such as unix:/run/shrike/metrics.sock",
    );
  }
  if (new TextEncoder().encode(path).length > PATH_SIZE_MAX) {
    return new Rejected(
      `${quote(text)} has a path longer than a socket's`,
      `use a path of at most ${PATH_SIZE_MAX} bytes`,
    );
  }
  return { kind: "unix", path };
}

function parseTcp(text: string): MetricsAddress | Rejected {
  const match = /^(?:\[(?<ipv6>[^\]]*)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text);
  if (match === null) {
    const isBare = isIP(text) === 6 || /^[0-9a-f:]*::[0-9a-f:]*$/i.test(text);
    const hint = isBare ? `write the address in brackets, such as [::1]:9464` : FORMS;
    return new Rejected(`${quote(text)} is no address to listen at`, hint);
  }
  const { ipv6, host = "", port: digits } = match.groups!;
  const port = Number(digits);
  if (port < 1 || port > PORT_MAX) {
    return new Rejected(`${quote(text)} has a port beyond 1 to ${PORT_MAX}`, FORMS);
  }
  if (ipv6 !== undefined) {
    if (isIP(ipv6) !== 6) {
      return new Rejected(`${quote(text)} has no IPv6 address in its brackets`, FORMS);
    }
    return { kind: "tcp", host: ipv6, port };
  }
  if (host === "") {
    return new Rejected(
      `${quote(text)} names no host`,
      "write 127.0.0.1:PORT for this host alone, 0.0.0.0:PORT or [::]:PORT for everybody",
    );
  }
  // Digits and dots alone are meant as an address; a resolver would read 127.1 in its own way.
  if (!HOST_NAME.test(host) || (/^[\d.]+$/.test(host) && isIP(host) !== 4)) {
    return new Rejected(`${quote(text)} has an unusable host ${quote(host)}`, FORMS);
  }
  return { kind: "tcp", host, port };
}
