/**
 * Options about policies: where an agent has them from, and where it is asked about them.
 *
 * @module
 */
import { list, option, optional } from "./option.ts";
import { boolean, choice, text, type ValueType } from "./value.ts";

/** Stands for none. */
export const OFF = "off";

/** Bytes of `sun_path` (unix(7)) before its end. */
const SOCKET_PATH_SIZE_MAX = 107;

/** A path, or "off"; nothing means off too. */
function pathOrOff(placeholder: string, pattern: RegExp, allowed: string): ValueType<string> {
  const path = text({ placeholder, pattern, allowed: `${allowed}, or off`, isFile: true });
  return { ...path, parse: (text) => text === "" || text === OFF ? OFF : path.parse(text) };
}

/** Rows of the table by the name they have in `Config`. */
export const POLICY_OPTIONS = {
  policyFormat: option(choice(["table", "json"]), "table", {
    flag: "output",
    short: "o",
    group: "Output",
    commands: ["policy list", "policy show", "policy add", "policy plan"],
    isFlagOnly: true,
    help: "How policies are written",
  }),
  policyMode: optional(choice(["enforce", "monitor"]), {
    flag: "mode",
    group: "Policies",
    commands: ["policy add"],
    initialText: "what the file says",
    help: "Whether actions are done or only told",
  }),
  persists: option(boolean(), false, {
    flag: "persist",
    group: "Policies",
    commands: ["policy add"],
    isBare: true,
    help: "Keep the policies over restarts of the agent",
  }),
  replaces: option(boolean(), false, {
    flag: "replace",
    group: "Policies",
    commands: ["policy add"],
    isBare: true,
    help: "Replace policies of the same name that were added before",
  }),
  policyDirectory: optional(
    pathOrOff("<dir>", /^[^\0]+$/, "a directory that only root may change"),
    {
      flag: "policy-dir",
      key: "policy.dir",
      group: "Policies",
      commands: ["run"],
      initialText: "/etc/shrike/policies when it exists",
      help: "Directory with policies, watched for changes",
    },
  ),
  policyFiles: list(
    text({ placeholder: "<file>", allowed: "the path of a policy", isFile: true }),
    {
      flag: "policy",
      key: "policy.files",
      group: "Policies",
      commands: ["run"],
      help: "A policy or a file of policies, watched for changes",
    },
  ),
  persistDirectory: option(
    pathOrOff("<dir>", /^\/[^\0]*$/, "the absolute path of a directory"),
    "/var/lib/shrike/policies",
    {
      flag: "policy-persist-dir",
      key: "policy.persist_dir",
      group: "Policies",
      commands: ["run"],
      help: "Where policies are kept that are added with --persist",
    },
  ),
  controlSocket: optional(
    pathOrOff(
      "<path>",
      new RegExp(`^/[^\\0]{1,${SOCKET_PATH_SIZE_MAX - 1}}$`),
      `an absolute path of at most ${SOCKET_PATH_SIZE_MAX} bytes`,
    ),
    {
      flag: "control-socket",
      key: "agent.control_socket",
      group: "Agent",
      commands: [
        "run",
        "policy list",
        "policy show",
        "policy add",
        "policy plan",
        "policy change",
        "top",
      ],
      initialText: "/run/shrike/control.sock",
      help: "Socket over which shrike policy and top ask the agent; run without root has none",
    },
  ),
} as const;
