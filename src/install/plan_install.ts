/**
 * What an installation does, in order.
 *
 * @module
 */
import { defaultConfigText } from "./default_config.ts";
import { InstallError } from "./install_error.ts";
import { CONFIG_PATH, executablePath, UNIT_NAME, UNIT_PATH } from "./places.ts";
import { type Step, systemctlStep, type Target, writeStep } from "./step.ts";
import { adaptUnit, isOurUnit } from "./unit_file.ts";

/** What is installed, and how. */
export interface InstallOptions {
  readonly prefix: string;
  /** Path by which the running executable can be read; null when this is a checkout. */
  readonly executable: string | null;
  /** The unit file that the executable carries. */
  readonly unit: string;
  /** Bytes. */
  readonly memoryMax: number;
  /** Start it now and at boot. */
  readonly enable: boolean;
}

/** Directories that the unit hides from the service (ProtectHome=, PrivateTmp=). */
const HIDDEN_DIRECTORIES = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;

/**
 * Looks at what is there and plans the rest. A second call of the same executable plans nothing but
 * what is missing; one of another version replaces the file and restarts the service.
 *
 * @throws {InstallError} it cannot work, or would overwrite what is not ours
 */
export function planInstall(target: Target, options: InstallOptions): Step[] {
  const { files, service } = target;
  const { executable, prefix, enable } = options;
  check(target, options);
  const path = executablePath(prefix);
  const steps: Step[] = [];
  const copied = writeStep(target, path, { path: executable! }, 0o755);
  steps.push(copied);
  steps.push(
    files.exists(CONFIG_PATH)
      ? { text: `keep "${CONFIG_PATH}", which is there` }
      : writeStep(target, CONFIG_PATH, { text: defaultConfigText() }, 0o644),
  );
  const unit = adaptUnit(options.unit, { executable: path, memoryMax: options.memoryMax });
  const written = writeStep(target, UNIT_PATH, { text: unit }, 0o644);
  steps.push(written);
  if (!service.isRunning) {
    const later = enable ? "; the service is not enabled" : "";
    return [...steps, { text: `leave systemd alone, which does not run here${later}` }];
  }
  if (written.isChange) steps.push(systemctlStep(target, ["daemon-reload"]));
  if (enable) steps.push(systemctlStep(target, ["enable", UNIT_NAME]));
  const isActive = service.systemctl(["is-active", "--quiet", UNIT_NAME]).code === 0;
  const isChange = copied.isChange || written.isChange;
  if (isActive && isChange) steps.push(systemctlStep(target, ["restart", UNIT_NAME]));
  else if (isActive) steps.push({ text: "keep the service running, nothing has changed" });
  else if (enable) steps.push(systemctlStep(target, ["start", UNIT_NAME]));
  else steps.push({ text: `start it with: systemctl enable --now ${UNIT_NAME}` });
  return steps;
}

function check({ files }: Target, { executable, prefix }: InstallOptions): void {
  if (executable === null) {
    throw new InstallError(
      `install the program`,
      "this is a checkout, which has no executable",
      "run `deno task build`, then dist/shrike install",
    );
  }
  if (HIDDEN_DIRECTORIES.test(prefix)) {
    throw new InstallError(
      `install into "${prefix}"`,
      "the service sees no home and temporary directories (ProtectHome=, PrivateTmp=)",
      "use a prefix such as /usr/local or /opt/shrike",
    );
  }
  const unit = files.readText(UNIT_PATH);
  if (unit !== undefined && !isOurUnit(unit)) {
    throw new InstallError(
      `replace "${UNIT_PATH}"`,
      "it was not written by shrike install",
      "move it away, or make it a drop-in in shrike.service.d",
    );
  }
}
