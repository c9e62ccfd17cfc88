/**
 * What taking an installation away does, in order.
 *
 * @module
 */
import { setsNothing } from "./default_config.ts";
import {
  CONFIG_FOLDER,
  CONFIG_PATH,
  DROP_IN_PATH,
  executablePath,
  KEPT_POLICIES_FOLDER,
  RUNTIME_FOLDER,
  STATE_FOLDER,
  UNIT_NAME,
  UNIT_PATH,
} from "./places.ts";
import { removeStep, removeTreeStep, type Step, systemctlStep, type Target } from "./step.ts";
import { executableOf, isOurUnit } from "./unit_file.ts";

/** What is taken away. */
export interface UninstallOptions {
  /** Used when no unit file tells where the executable is. */
  readonly prefix: string;
  /** Path by which the running executable can be read; null when this is a checkout. */
  readonly executable: string | null;
  /** Also what was changed by hand. */
  readonly purge: boolean;
}

/** Looks at what is there and plans its removal; what is not ours stays, and is told. */
export function planUninstall(target: Target, options: UninstallOptions): Step[] {
  const { files, service } = target;
  const unit = files.readText(UNIT_PATH);
  const isOurs = unit !== undefined && isOurUnit(unit);
  const steps: Step[] = [];
  if (isOurs) {
    if (service.isRunning) steps.push(systemctlStep(target, ["disable", "--now", UNIT_NAME]));
    steps.push(removeStep(target, UNIT_PATH));
  } else if (unit !== undefined) {
    steps.push({ text: `keep "${UNIT_PATH}", it was not written by shrike install` });
  }
  steps.push(...planDropIns(target, options.purge));
  if (isOurs && service.isRunning) {
    steps.push(systemctlStep(target, ["daemon-reload"]));
    // A service that failed stays listed; one that did not is not known any more, which is well.
    const args = ["reset-failed", UNIT_NAME];
    const { text } = systemctlStep(target, args);
    steps.push({ text, run: () => void service.systemctl(args) });
  }
  steps.push(...planExecutable(target, options, isOurs ? executableOf(unit) : undefined));
  steps.push(...planState(target, options.purge));
  if (files.exists(RUNTIME_FOLDER)) steps.push(removeTreeStep(target, RUNTIME_FOLDER));
  steps.push(...planConfig(target, options.purge));
  return steps.length > 0 ? steps : [{ text: "nothing of shrike is installed" }];
}

function planDropIns(target: Target, purge: boolean): Step[] {
  if (!target.files.exists(DROP_IN_PATH)) return [];
  if (purge || target.files.isEmptyDirectory(DROP_IN_PATH)) {
    return [removeTreeStep(target, DROP_IN_PATH)];
  }
  return [{ text: `keep "${DROP_IN_PATH}", which was made by hand (--purge removes it)` }];
}

/** Without our unit only a file that is this very program is known to be ours. */
function planExecutable(
  target: Target,
  { prefix, executable }: UninstallOptions,
  named: string | undefined,
): Step[] {
  const path = named ?? executablePath(prefix);
  if (!target.files.exists(path)) return [];
  const isOurs = named !== undefined ||
    (executable !== null && target.files.holds(path, { path: executable }, 0o755));
  if (isOurs) return [removeStep(target, path)];
  return [{ text: `keep "${path}", no unit names it and it is not this program` }];
}

/** Policies that somebody has asked to keep are as good as a config file. */
function planState(target: Target, purge: boolean): Step[] {
  const { files } = target;
  if (!files.exists(STATE_FOLDER)) return [];
  const hasPolicies = files.exists(KEPT_POLICIES_FOLDER) &&
    !files.isEmptyDirectory(KEPT_POLICIES_FOLDER);
  if (purge || !hasPolicies) return [removeTreeStep(target, STATE_FOLDER)];
  return [{ text: `keep "${STATE_FOLDER}", it has policies (--purge removes it)` }];
}

function planConfig(target: Target, purge: boolean): Step[] {
  const { files } = target;
  const text = files.readText(CONFIG_PATH);
  const steps: Step[] = [];
  if (text !== undefined && !purge && !setsNothing(text)) {
    steps.push({ text: `keep "${CONFIG_PATH}", it was changed (--purge removes it)` });
  } else {
    if (text !== undefined) steps.push(removeStep(target, CONFIG_PATH));
    if (files.isEmptyDirectory(CONFIG_FOLDER, [CONFIG_PATH])) {
      steps.push(removeStep(target, CONFIG_FOLDER));
    }
  }
  return steps;
}
