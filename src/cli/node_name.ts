/**
 * The name of this host in events.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";

/** The set name, else the variables that Tetragon reads too, else the host name. */
export function nodeNameOf(
  config: Pick<Config, "nodeName">,
  environment: Readonly<Record<string, string>>,
): string {
  return config.nodeName || environment["HUBBLE_NODE_NAME"] || environment["NODE_NAME"] ||
    Deno.hostname();
}
