/**
 * Where an installation puts things.
 *
 * @module
 */
import { DEFAULT_CONFIG_PATH } from "../config/mod.ts";

export const UNIT_NAME = "shrike.service";
export const UNIT_PATH = `/etc/systemd/system/${UNIT_NAME}`;
/** Changes of the host's owner to the unit. */
export const DROP_IN_PATH = `${UNIT_PATH}.d`;
export const CONFIG_PATH = DEFAULT_CONFIG_PATH;
export const CONFIG_FOLDER = CONFIG_PATH.slice(0, CONFIG_PATH.lastIndexOf("/"));
/**
 * StateDirectory= of the unit. The executable keeps its runtime there when it must start from a
 * file of its own.
 */
export const STATE_FOLDER = "/var/lib/shrike";
/** Policies that were added with --persist. */
export const KEPT_POLICIES_FOLDER = `${STATE_FOLDER}/policies`;

/** RuntimeDirectory= of the unit: the control socket, and until when a run has watched. */
export const RUNTIME_FOLDER = "/run/shrike";

/** The executable of a prefix such as "/usr/local". */
export function executablePath(prefix: string): string {
  return `${prefix.replace(/\/+$/, "")}/bin/shrike`;
}
