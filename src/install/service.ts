/**
 * systemd, by its command.
 *
 * @module
 */

/** How the system manager is asked. */
export interface ServiceControl {
  /** Whether systemd is the running service manager. */
  readonly isRunning: boolean;
  /** Runs `systemctl` with these arguments; the last lines of what it printed. */
  systemctl(args: readonly string[]): { readonly code: number; readonly output: string };
}

/** systemctl prints few lines when it fails; more is not ours to repeat. */
const OUTPUT_LINES_MAX = 5;

/** The system's own. */
export function openServiceControl(): ServiceControl {
  return { isRunning: hasSystemd(), systemctl };
}

/** As sd_booted(3) asks. */
function hasSystemd(): boolean {
  try {
    return Deno.lstatSync("/run/systemd/system").isDirectory;
  } catch {
    return false;
  }
}

function systemctl(args: readonly string[]): { code: number; output: string } {
  try {
    const command = new Deno.Command("systemctl", { args: [...args], stdin: "null" });
    const { code, stdout, stderr } = command.outputSync();
    const text = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
    return { code, output: text.trim().split("\n").slice(-OUTPUT_LINES_MAX).join("; ") };
  } catch (error) {
    return { code: 127, output: error instanceof Error ? error.message : String(error) };
  }
}
