/**
 * `shrike run` as it is typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const EXAMPLES = `
Examples:
  shrike run
  shrike run -o json > events.jsonl
  shrike run --pid $$ --duration 1m
  shrike run --filter event=exec --filter 'binary=/usr/bin/*'
  shrike run --container web
  shrike run --namespace prod --filter 'pod!=canary-*'
  shrike run --config ./shrike.yaml --log-level info
`;

const FILTERS = `
Filters: KEY OPERATOR VALUE; all must match, one of the values "a,b" is enough
  event=exec,exit,fork,amend = !=; also connect, accept, listen, close, dns, flow
  binary=/usr/bin/*          = != with globs (** crosses /), ~ !~ with a regex
  args~--password            ~ !~ with a regex on the arguments as shown
  argv=-x                    = != ~ !~ on any one argument
  uid=0  uid=www-data        = !=
  pid=42  tree=42            = !=; tree is a process with its descendants
  workload=service/ssh*      = !=; KIND or KIND/NAME with globs
  container=web  pod=prod/*  = != with globs; also six or more digits of a container's id
  namespace=prod  unit=ssh   = != with globs
  peer=10.0.0.0/8            = !=; who a connection, flow or DNS message is with
  domain=*.example.org       = != with globs; by name, also names that DNS asks for
  port=443,8000-8100         = !=; of either end
  protocol=tcp  class=public = !=; class is where the peer is
`;

/** Adds the command to `program`. */
export function addRunCommand(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const command = program.command("run")
    .summary("Watch processes and write events to stdout")
    .description(
      "Watches every process on this host and writes an event to stdout when one starts or ends, " +
        "until Ctrl-C. Needs root or CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and " +
        "CAP_DAC_READ_SEARCH.",
    );
  addTableOptions(command, "run");
  command
    .addHelpText("after", `${EXAMPLES}${FILTERS}\n${sourcesHelp("run")}`)
    .action(() => dispatch((handlers) => handlers.run(typedSettings(command, "run"), terminal)));
}
