/**
 * Every option of shrike, once: the config file, the environment, the flags, the help and the shell
 * completion are all made from this table.
 *
 * @module
 */
import { type ConfigOption, list, option, optional, type OptionCommand } from "./option.ts";
import { NETWORK_OPTIONS } from "./network_options.ts";
import { POLICY_OPTIONS } from "./policy_options.ts";
import { boolean, choice, duration, integer, size, text } from "./value.ts";
import { WORKLOAD_OPTIONS } from "./workload_options.ts";

/** PID_MAX_LIMIT of 64-bit kernels. */
const PID_MAX = 4_194_304;
/** Timers take 31 bits of ms: 24 days and some. */
const DAY_MS = 86_400_000;

/** All options by the name they have in `Config`. */
export const OPTIONS = {
  format: optional(choice(["json", "compact", "table"]), {
    flag: "output",
    short: "o",
    key: "output.format",
    group: "Output",
    commands: ["run"],
    initialText: "compact on a terminal, json otherwise",
    help: "How events are written",
  }),
  listFormat: option(choice(["tree", "table", "json"]), "tree", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["ps"],
    isFlagOnly: true,
    help: "How processes are written",
  }),
  versionFormat: option(choice(["text", "json"]), "text", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["version"],
    isFlagOnly: true,
    help: "How the version is written",
  }),
  doctorFormat: option(choice(["text", "json"]), "text", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["doctor"],
    isFlagOnly: true,
    help: "How the findings are written",
  }),
  bundlePath: optional(
    text({ placeholder: "<file>", allowed: "the path of a new file", isFile: true }),
    {
      flag: "bundle",
      group: "Output",
      commands: ["doctor"],
      help: "Also write all that a maintainer needs to a new .tar.gz, secrets left out",
    },
  ),
  color: option(choice(["auto", "always", "never"]), "auto", {
    flag: "color",
    key: "output.color",
    group: "Output",
    commands: ["run", "ps", "cgroups", "workloads", "top", "policy list", "policy plan", "doctor"],
    help: "Colour: auto is on for terminals unless NO_COLOR is set",
  }),
  showSummary: optional(boolean(), {
    flag: "summary",
    key: "output.summary",
    group: "Output",
    commands: ["run"],
    initialText: "on when stderr is a terminal",
    help: "Print events, losses, CPU time and memory on stderr at the end",
  }),
  queueSize: option(size({ min: 64 * 1024, max: 1024 ** 3 }), 8 * 1024 ** 2, {
    flag: "queue-size",
    key: "output.queue_size",
    group: "Output",
    commands: ["run"],
    help: "Bytes that wait for a slow reader of stdout before events are dropped and counted",
  }),
  filters: list(
    text({ placeholder: "<filter>", allowed: "a filter such as binary=/usr/bin/*" }),
    {
      flag: "filter",
      short: "f",
      key: "output.filters",
      group: "Selection",
      commands: ["run"],
      help: "Only matching events; several must all match",
    },
  ),
  pid: optional(integer({ min: 1, max: PID_MAX }), {
    flag: "pid",
    short: "p",
    group: "Selection",
    commands: ["run", "ps"],
    help: "Only this process and its descendants",
  }),
  durationMs: optional(duration({ min: 1, max: 24 * DAY_MS }), {
    flag: "duration",
    group: "Selection",
    commands: ["run"],
    help: "End after this time",
  }),
  maxEvents: optional(integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), {
    flag: "max-events",
    group: "Selection",
    commands: ["run"],
    help: "End after this many events were written; gaps do not count",
  }),
  showExisting: optional(boolean(), {
    flag: "existing",
    key: "process.existing",
    group: "Selection",
    commands: ["run"],
    initialText: "on for json, off for what people read",
    help: "Write events of processes that ran before the agent (flag procFS)",
  }),
  withCredentials: option(boolean(), false, {
    flag: "enable-process-cred",
    key: "process.credentials",
    group: "Process events",
    commands: ["run", "ps"],
    help: "Write credentials, capabilities and binary properties",
  }),
  withNamespaces: option(boolean(), false, {
    flag: "enable-process-ns",
    key: "process.namespaces",
    group: "Process events",
    commands: ["run", "ps"],
    help: "Write namespaces",
  }),
  withEnvironment: option(boolean(), false, {
    flag: "enable-process-environment-variables",
    key: "process.environment_variables",
    group: "Process events",
    commands: ["run"],
    help: "Collect and write environment variables; they may hold secrets",
  }),
  usernames: option(choice(["unix", "disabled"]), "disabled", {
    flag: "username-metadata",
    key: "process.usernames",
    group: "Process events",
    commands: ["run", "ps"],
    help: "Write the user name from /etc/passwd beside the uid",
  }),
  withAncestors: option(boolean(), false, {
    flag: "enable-ancestors",
    key: "process.ancestors",
    group: "Process events",
    commands: ["run"],
    help: "Write all ancestors, not only the parent",
  }),
  withForks: option(boolean(), false, {
    flag: "enable-fork-events",
    key: "process.fork_events",
    group: "Process events",
    commands: ["run"],
    help: "Write process_fork events",
  }),
  signals: option(choice(["fatal", "all", "none"]), "fatal", {
    flag: "signal-events",
    key: "process.signal_events",
    group: "Process events",
    commands: ["run"],
    help: "Write process_signal events of signals that end a process, or of all; and oom_kill",
  }),
  cacheEntries: option(integer({ min: 1024, max: 4_194_304 }), 65_536, {
    flag: "process-cache-entries",
    key: "process.cache_entries",
    group: "Process events",
    commands: ["run"],
    help: "Processes remembered at most",
  }),
  cacheSize: option(size({ min: 1024 ** 2, max: 16 * 1024 ** 3 }), 64 * 1024 ** 2, {
    flag: "process-cache-size",
    key: "process.cache_size",
    group: "Process events",
    commands: ["run"],
    help: "Bytes the remembered processes may take",
  }),
  followCgroups: option(boolean(), true, {
    flag: "cgroups",
    key: "cgroup.follow",
    group: "Cgroups",
    commands: ["run"],
    help: "Tell the cgroup and the workload of every process",
  }),
  withCgroups: option(boolean(), false, {
    flag: "enable-cgroup-events",
    key: "cgroup.events",
    group: "Cgroups",
    commands: ["run"],
    help: "Write events of cgroups that are made, removed and entered",
  }),
  cgroupEntries: option(integer({ min: 1024, max: 1_048_576 }), 16_384, {
    flag: "cgroup-entries",
    key: "cgroup.entries",
    group: "Cgroups",
    commands: ["run"],
    help: "Cgroups remembered at most, here and in the kernel",
  }),
  cgroupRemovalDelayMs: option(duration({ min: 1000, max: 3_600_000 }), 60_000, {
    flag: "cgroup-removal-delay",
    key: "cgroup.removal_delay",
    group: "Cgroups",
    commands: ["run"],
    help: "Time that removed cgroups are remembered for late events",
  }),
  ...WORKLOAD_OPTIONS,
  ...NETWORK_OPTIONS,
  ...POLICY_OPTIONS,
  workers: optional(integer({ min: 1, max: 256 }), {
    flag: "workers",
    key: "capture.workers",
    group: "Capture",
    commands: ["run"],
    initialText: "one per CPU up to 16 CPUs, several CPUs share one above",
    help: "Threads that read the kernel's rings",
  }),
  ringPages: option(integer({ min: 32, max: 65_536, powerOfTwo: true }), 256, {
    flag: "ring-pages",
    key: "capture.ring_pages",
    group: "Capture",
    commands: ["run"],
    help: "Pages of each CPU's kernel ring",
  }),
  sharedRingSize: option(
    size({ min: 128 * 1024, max: 1024 ** 3, powerOfTwo: true }),
    1024 ** 2,
    {
      flag: "shared-ring-size",
      key: "capture.shared_ring_size",
      group: "Capture",
      commands: ["run"],
      help: "Bytes of the ring between each capture worker's CPU and the main thread",
    },
  ),
  holdBackMs: option(duration({ min: 1, max: 1000 }), 1, {
    flag: "hold-back",
    key: "capture.hold_back",
    group: "Capture",
    commands: ["run"],
    help: "Time that a record waits for older ones of idle CPUs",
  }),
  nodeName: optional(
    text({
      placeholder: "<name>",
      pattern: /^[^\s:\p{C}]{1,253}$/u,
      allowed: "1 to 253 visible characters without white space and colon",
    }),
    {
      flag: "node-name",
      key: "agent.node_name",
      group: "Agent",
      commands: ["run", "ps"],
      initialText: "HUBBLE_NODE_NAME, NODE_NAME, or the host name",
      help: "Name in node_name and exec_id",
    },
  ),
  stateDirectory: optional(
    text({
      placeholder: "<dir>",
      pattern: /^\/[^\0]*$/,
      allowed: "the absolute path of a directory that only the agent's user may change",
      isFile: true,
    }),
    {
      flag: "state-dir",
      key: "agent.state_dir",
      group: "Agent",
      commands: ["run"],
      initialText: "none",
      help: "Where a run tells the next one until when it watched, for a gap event",
    },
  ),
  logLevel: option(choice(["error", "warn", "info", "debug"]), "warn", {
    flag: "log-level",
    key: "agent.log_level",
    group: "Agent",
    commands: ["run", "ps", "cgroups", "workloads"],
    help: "Least level of the agent's own messages on stderr; debug shows stack traces",
  }),
  logFormat: option(choice(["text", "json"]), "text", {
    flag: "log-format",
    key: "agent.log_format",
    group: "Agent",
    commands: ["run", "ps", "cgroups", "workloads"],
    help: "How the agent's own messages are written",
  }),
  reattachHooks: option(boolean(), true, {
    flag: "reattach",
    key: "agent.reattach",
    group: "Agent",
    commands: ["run"],
    help: "Attach programs again that somebody else has detached",
  }),
  memoryMax: option(size({ min: 128 * 1024 ** 2, max: 1024 ** 4 }), 768 * 1024 ** 2, {
    flag: "memory-max",
    key: "agent.memory_max",
    group: "Installation",
    commands: ["install"],
    help: "Memory the service may take (MemoryMax=); it is slowed down from two thirds on",
  }),
  prefix: option(
    text({
      placeholder: "<dir>",
      // systemd splits ExecStart= at blanks and expands % and $.
      pattern: /^\/[\w@+.,:\/-]*$/,
      allowed: "an absolute path of letters, digits and _ @ + . , : -",
      isFile: true,
    }),
    "/usr/local",
    {
      flag: "prefix",
      group: "Installation",
      commands: ["install", "uninstall"],
      help: "The executable goes to bin/ below this directory",
    },
  ),
  enable: option(boolean(), false, {
    flag: "enable",
    group: "Installation",
    commands: ["install"],
    help: "Start the service now and at every boot",
  }),
  purge: option(boolean(), false, {
    flag: "purge",
    group: "Installation",
    commands: ["uninstall"],
    help: "Also remove a config file and drop-ins that were changed, and kept policies",
  }),
  dryRun: option(boolean(), false, {
    flag: "dry-run",
    group: "Installation",
    commands: ["install", "uninstall"],
    help: "Say what would be done and do nothing",
  }),
} as const;

/** Name of an option in `Config`. */
export type OptionName = keyof typeof OPTIONS;

type ValueOf<O> = O extends ConfigOption<infer T> ? T : never;

/** The checked settings of one call; frozen. */
export type Config = { readonly [Name in OptionName]: ValueOf<typeof OPTIONS[Name]> };

/** Options of one subcommand, in the order of the table. */
export function optionsOf(command: OptionCommand): [OptionName, ConfigOption<unknown>][] {
  return (Object.entries(OPTIONS) as [OptionName, ConfigOption<unknown>][])
    .filter(([, option]) => option.commands.includes(command));
}

/** The environment variable of an option: `SHRIKE_` and the flag in capitals. */
export function environmentName(flag: string): string {
  return `SHRIKE_${flag.toUpperCase().replaceAll("-", "_")}`;
}
