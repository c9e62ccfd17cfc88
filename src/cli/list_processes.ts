/**
 * What `shrike ps` does.
 *
 * @module
 */
import type { Config } from "../config/mod.ts";
import { JsonEncoder, UserNames } from "../export/mod.ts";
import { type ProcessTree, readHostNamespaces, readProcessTree } from "../host.ts";
import { Counters } from "../telemetry/mod.ts";
import { ExitCode } from "./exit_codes.ts";
import { nodeNameOf } from "./node_name.ts";
import { formatTable, formatTree } from "./process_list.ts";
import { loadSettings } from "./settings.ts";
import type { TypedSettings } from "./table_options.ts";
import { type Terminal, textLook } from "./terminal.ts";

/** No process has the asked pid. */
export class NoSuchProcessError extends Error {
  override readonly name = "NoSuchProcessError";
  readonly hint = "kernel threads and ended processes are not shown; see shrike ps without --pid";

  constructor(readonly pid: number) {
    super(`Cannot show process "${pid}": there is no such process`);
  }
}

/** Writes the process tree to stdout. */
export function listProcesses(typed: TypedSettings, terminal: Terminal): Promise<ExitCode> {
  const config = loadSettings(typed, terminal);
  const nodeName = nodeNameOf(config, terminal.environment);
  const counters = new Counters();
  const all = readProcessTree({ nodeName, counters });
  const roots = config.pid === undefined ? all : [findTree(all, config.pid)];
  terminal.writeOut(formatProcesses(roots, { config, terminal, nodeName, counters }));
  return Promise.resolve(ExitCode.ok);
}

interface FormatSituation {
  readonly config: Config;
  readonly terminal: Terminal;
  readonly nodeName: string;
  readonly counters: Counters;
}

function formatProcesses(
  roots: readonly ProcessTree[],
  { config, terminal, nodeName, counters }: FormatSituation,
): string {
  const names = new UserNames({ counters });
  const hostNamespaces = readHostNamespaces();
  const naming = {
    userName: (uid: number) => names.nameOf(uid),
    hostNamespaces,
  };
  if (config.listFormat === "json") {
    const { userName: _, ...unnamed } = naming;
    const encoder = new JsonEncoder({
      ...(config.usernames === "unix" ? naming : unnamed),
      nodeName,
      enableProcessCred: config.withCredentials,
      enableProcessNs: config.withNamespaces,
    });
    const lines = [...walk(roots)].map(({ process }) =>
      `{"process":${encoder.encodeProcess(process)},"node_name":${JSON.stringify(nodeName)}}\n`
    );
    return lines.join("");
  }
  const look = { naming, ...textLook(config.color, terminal) };
  return config.listFormat === "tree" ? formatTree(roots, look) : formatTable(roots, look);
}

/** All processes, parents first. Without recursion: chains may be as long as the pid space. */
export function* walk(roots: readonly ProcessTree[]): Generator<ProcessTree> {
  const waiting = roots.toReversed();
  for (let tree = waiting.pop(); tree !== undefined; tree = waiting.pop()) {
    yield tree;
    waiting.push(...tree.children.toReversed());
  }
}

function findTree(roots: readonly ProcessTree[], pid: number): ProcessTree {
  for (const tree of walk(roots)) if (tree.process.tgid === pid) return tree;
  throw new NoSuchProcessError(pid);
}
