/**
 * The container runtimes and systemd: who gives workloads their names here.
 *
 * @module
 */
import { type Finding, TopicFindings } from "./finding.ts";

/** A socket that a runtime is asked at. */
export interface RuntimeEndpoint {
  /** cri, containerd, docker, podman, systemd. */
  readonly api: string;
  readonly path: string;
  /** Owner of a rootless runtime. */
  readonly userUid?: number;
  /** Who answers, such as "docker 20.10.24"; missing when nobody does, or in another API. */
  readonly version?: string;
  /** Whether it tells of new containers by itself. */
  readonly isWatching: boolean;
  /** Why it gives no usable answer. */
  readonly error?: { readonly text: string; readonly hint: string };
  /** Of its news, which may fail where questions are answered. */
  readonly lastError?: string;
}

/** A place where a socket should be, or where something else is. */
export interface UnusedSocket {
  readonly api: string;
  readonly path: string;
  /** Whether something is there. */
  readonly exists: boolean;
}

/** What was found about the runtimes. */
export interface RuntimesLook {
  /** False when the settings say to ask nobody. */
  readonly isAsked: boolean;
  readonly endpoints: readonly RuntimeEndpoint[];
  readonly unused: readonly UnusedSocket[];
}

const HINT_PLACES = "name the socket that it listens on: --runtime-socket API:PATH";

export function checkRuntimes({ isAsked, endpoints, unused }: RuntimesLook): Finding[] {
  const found = new TopicFindings("runtimes");
  if (!isAsked) {
    found.ok("runtimes", "nobody is asked (workload.runtimes is false): names are cgroup paths");
    return found.findings;
  }
  for (const endpoint of endpoints) checkEndpoint(endpoint, found);
  for (const { api, path, exists } of unused) {
    found.warning(api, {
      text: exists ? `"${path}" is no socket that root or its user owns` : `"${path}" is not there`,
      follows: "nobody is asked there, which is looked at again each second",
      hint: exists ? "see who has made it; others than its owner are not believed" : HINT_PLACES,
    });
  }
  if (endpoints.length + unused.length === 0) {
    found.ok("runtimes", `none has a socket in the usual places; where one runs, ${HINT_PLACES}`);
  }
  return found.findings;
}

function checkEndpoint(endpoint: RuntimeEndpoint, found: TopicFindings): void {
  const { api, path, userUid, version, isWatching, error, lastError } = endpoint;
  const place = `at "${path}"${userUid === undefined ? "" : ` of user ${userUid}`}`;
  if (error !== undefined) {
    found.warning(api, {
      text: `${place}: ${error.text}`,
      follows: api === "systemd"
        ? "units have no descriptions until it answers; it is asked again by itself"
        : "its containers have ids in place of names until it answers; it is asked again by itself",
      hint: error.hint,
    });
  } else if (version === undefined) {
    found.ok(api, `${place}: who answers there does not offer this API`);
  } else if (!isWatching && lastError !== undefined) {
    found.warning(api, {
      text: `${version} ${place} answers, but does not tell of new containers: ${lastError}`,
      follows: "their names come a moment after their first events",
      hint: "read the runtime's own log",
    });
  } else {
    found.ok(api, `${version} ${place}${isWatching ? ", tells of new containers by itself" : ""}`);
  }
}
