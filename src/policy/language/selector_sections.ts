/**
 * Keys of selectors, their conditions and actions, one row each.
 *
 * @module
 */
import { WORKLOAD_KEYS } from "./document_sections.ts";
import type { KeyTable, Section } from "./section.ts";

/** One of `selectors`, and of `selectorsMacros`. */
export const SELECTOR: Section = {
  name: "a selector",
  keys: {
    label: { kind: "text", what: "a name for lists and metrics" },
    matchPIDs: { kind: "list", what: "operator and values" },
    matchBinaries: { kind: "list", what: "operator and values" },
    matchArgs: { kind: "list", what: "index, operator and values" },
    matchReturnArgs: { kind: "list", what: "index: 0, operator and values" },
    matchNamespaces: { kind: "list", what: "namespace, operator and values" },
    matchCapabilities: { kind: "list", what: "type, operator and values" },
    matchWorkloads: { kind: "any", what: "podSelector, containerSelector, hostSelector" },
    matchActions: { kind: "list", what: "action" },
    matchReturnActions: { kind: "list", what: "action" },
    macros: { kind: "list", what: "names of selectorsMacros" },
    matchParentBinaries: {
      refused: "the parent's program is not compared",
      nearest: "use matchPIDs with followForks, or matchBinaries",
    },
    matchData: {
      refused: "only arguments and what is returned are read",
      nearest: "use matchArgs",
    },
    matchNamespaceChanges: {
      refused: "changes of namespaces are not compared",
      nearest: "hook sys_setns and sys_unshare",
    },
    matchCapabilityChanges: {
      refused: "changes of capabilities are not compared",
      nearest: "hook sys_capset, or security_bprm_committing_creds with matchCapabilities",
    },
  },
};

const VALUES = {
  operator: { kind: "text", what: "how it is compared", isRequired: true },
  values: { kind: "list", what: "what it is compared with" },
  valuesFromVariable: { kind: "text", what: "the name of a variable", isExtension: true },
} as const satisfies KeyTable;

/** One of `matchPIDs`. */
export const MATCH_PID: Section = {
  name: "a condition of matchPIDs",
  keys: {
    ...VALUES,
    isNamespacePID: { kind: "boolean", what: "true: pids as the process's own namespace has them" },
    followForks: { kind: "boolean", what: "true: also all their descendants" },
  },
};

/** One of `matchBinaries`. */
export const MATCH_BINARY: Section = {
  name: "a condition of matchBinaries",
  keys: {
    ...VALUES,
    followChildren: {
      refused: "a program's children are not followed",
      nearest: "list their programs too, or use matchPIDs with followForks",
    },
  },
};

/** One of `matchArgs`. */
export const MATCH_ARGUMENT: Section = {
  name: "a condition of matchArgs",
  keys: {
    index: { kind: "integer", what: "index of the argument, as args has it" },
    args: { kind: "list", what: "position in args, from 0" },
    ...VALUES,
  },
};

/** One of `matchReturnArgs`. */
export const MATCH_RETURN: Section = {
  name: "a condition of matchReturnArgs",
  keys: { index: { kind: "integer", what: "0" }, ...VALUES },
};

/** One of `matchNamespaces`. */
export const MATCH_NAMESPACE: Section = {
  name: "a condition of matchNamespaces",
  keys: {
    namespace: { kind: "text", what: "such as Mnt, Pid, Net, User", isRequired: true },
    ...VALUES,
  },
};

/** One of `matchCapabilities`. */
export const MATCH_CAPABILITY: Section = {
  name: "a condition of matchCapabilities",
  keys: {
    type: { kind: "text", what: "Effective, Inheritable or Permitted" },
    ...VALUES,
    isNamespaceCapability: {
      refused: "capabilities are compared as they are",
      nearest: "add matchNamespaces: namespace User, operator NotIn, values [host_ns]",
    },
  },
};

/** `matchWorkloads`. */
export const MATCH_WORKLOAD: Section = { name: "matchWorkloads", keys: WORKLOAD_KEYS };

/** One of `matchActions` and `matchReturnActions`. */
export const ACTION: Section = {
  name: "an action",
  keys: {
    action: { kind: "text", what: "Post, NoPost, Sigkill, Signal or Override", isRequired: true },
    argError: { kind: "text", what: "of Override: the error, such as -1 or EPERM" },
    argSig: { kind: "integer", what: "of Signal: the number of the signal" },
    rateLimit: {
      refused: "events of a policy are not limited",
      nearest: "narrow the selector, or filter the export",
    },
    rateLimitScope: {
      refused: "events of a policy are not limited",
      nearest: "narrow the selector, or filter the export",
    },
    kernelStackTrace: {
      refused: "stacks are not read",
      nearest: "take it away: the event has the process and its ancestors",
    },
    userStackTrace: {
      refused: "stacks are not read",
      nearest: "take it away: the event has the process and its ancestors",
    },
    imaHash: {
      refused: "hashes of files are not read",
      nearest: "take it away: the event has path, inode and device",
    },
    argUrl: { refused: "it belongs to GetUrl", nearest: "use Post and act on the event" },
    argFqdn: { refused: "it belongs to DnsLookup", nearest: "use Post and act on the event" },
    argSock: {
      refused: "it belongs to TrackSock",
      nearest: "look at the socket where it is used: type sock",
    },
    argIndex: { refused: "it belongs to Set", nearest: "use Override to make the call fail" },
    argValue: { refused: "it belongs to Set", nearest: "use Override to make the call fail" },
    argRegs: { refused: "it belongs to uprobes", nearest: "use Override with argError" },
    argNewSymbol: { refused: "it belongs to uprobes", nearest: "use Override with argError" },
    argNewAddr: { refused: "it belongs to uprobes", nearest: "use Override with argError" },
    argNewOffset: { refused: "it belongs to uprobes", nearest: "use Override with argError" },
  },
};
