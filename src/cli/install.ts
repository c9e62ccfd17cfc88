/**
 * `shrike install` and `shrike uninstall` as they are typed.
 *
 * @module
 */
import type { Command } from "commander";
import type { Dispatch } from "./handlers.ts";
import { addTableOptions, sourcesHelp, typedSettings } from "./table_options.ts";
import type { Terminal } from "./terminal.ts";

const INSTALL_EXAMPLES = `
Examples:
  shrike install --dry-run
  sudo ./shrike install --enable
  sudo ./shrike install --prefix /opt/shrike --memory-max 1G
`;

const UNINSTALL_EXAMPLES = `
Examples:
  shrike uninstall --dry-run
  sudo shrike uninstall
`;

/** Adds both commands to `program`. */
export function addInstallCommands(program: Command, terminal: Terminal, dispatch: Dispatch): void {
  const install = program.command("install")
    .summary("Put the program onto this host as a service")
    .description(
      "Copies this executable, writes a config file where there is none, and a unit for systemd " +
        "with the rights the agent needs and no more. Run again with a newer executable it " +
        "replaces the file and restarts the service. Prints every step.",
    );
  addTableOptions(install, "install", { withConfig: false });
  install
    .addHelpText("after", `${INSTALL_EXAMPLES}\n${sourcesHelp("install")}`)
    .action(() =>
      dispatch((handlers) => handlers.install(typedSettings(install, "install"), terminal))
    );
  const uninstall = program.command("uninstall")
    .summary("Take the service and the program away")
    .description(
      "Stops and disables the service and removes what install has written. A config file that " +
        "sets something and drop-ins of the unit stay, unless --purge is given.",
    );
  addTableOptions(uninstall, "uninstall", { withConfig: false });
  uninstall
    .addHelpText("after", UNINSTALL_EXAMPLES)
    .action(() =>
      dispatch((handlers) => handlers.uninstall(typedSettings(uninstall, "uninstall"), terminal))
    );
}
