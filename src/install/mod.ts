/**
 * Puts the program onto a host as a service of systemd, and takes it away.
 *
 * @module
 */
export { InstallError } from "./install_error.ts";
export { type InstallOptions, planInstall } from "./plan_install.ts";
export { planUninstall, type UninstallOptions } from "./plan_uninstall.ts";
export { openServiceControl, type ServiceControl } from "./service.ts";
export { runSteps, type Step, type Target } from "./step.ts";
export { TargetFiles } from "./target_files.ts";
