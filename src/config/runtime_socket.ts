/**
 * A socket of a container runtime as people write it: `cri:/run/containerd/containerd.sock`.
 *
 * @module
 */
import { nearestWord, quote } from "../telemetry/mod.ts";
import { Rejected, type ValueType } from "./value.ts";

/** APIs that runtimes speak, as `RuntimeApi` of `src/workloads` has them. */
export const RUNTIME_APIS = ["cri", "containerd", "docker", "podman", "systemd"] as const;

/** Where a runtime listens, and how it is asked. */
export interface RuntimeSocket {
  readonly api: typeof RUNTIME_APIS[number];
  /** Absolute path. */
  readonly path: string;
}

const EXAMPLE = "such as cri:/run/containerd/containerd.sock";
/** `sun_path` of unix(7) has 108 bytes, the NUL among them. */
const PATH_SIZE_MAX = 107;

/** `API:PATH`. */
export function runtimeSocket(): ValueType<RuntimeSocket> {
  return {
    placeholder: "<api:path>",
    allowed: `API:PATH, ${EXAMPLE}`,
    isFile: false,
    parse: parseSocket,
    format: ({ api, path }) => `${api}:${path}`,
  };
}

function parseSocket(text: string): RuntimeSocket | Rejected {
  const at = text.indexOf(":");
  const known = `APIs are ${RUNTIME_APIS.join(", ")}`;
  if (at <= 0 || text.startsWith("/")) {
    return new Rejected(`${quote(text)} names no API`, `write API:PATH, ${EXAMPLE}; ${known}`);
  }
  const word = text.slice(0, at);
  const api = RUNTIME_APIS.find((api) => api === word);
  if (api === undefined) {
    const nearest = nearestWord(word, RUNTIME_APIS);
    const meant = nearest === undefined ? "" : `did you mean ${nearest}? `;
    return new Rejected(`${quote(text)} has an unknown API ${quote(word)}`, `${meant}${known}`);
  }
  const path = text.slice(at + 1);
  if (!path.startsWith("/") || path.includes("\0")) {
    return new Rejected(`${quote(text)} has no absolute path`, `write API:PATH, ${EXAMPLE}`);
  }
  if (new TextEncoder().encode(path).length > PATH_SIZE_MAX) {
    return new Rejected(
      `${quote(text)} has a path longer than a socket's`,
      `use a path of at most ${PATH_SIZE_MAX} bytes`,
    );
  }
  return { api, path };
}
