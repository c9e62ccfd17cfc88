/**
 * The documents of all policies of an agent: who has which name, which bindings have which
 * template. A change is worked out here before anything else hears of it.
 *
 * @module
 */
import { bindTemplate } from "../language/bind_template.ts";
import type {
  PolicyDocument,
  PolicyTemplate,
  TemplateBinding,
} from "../language/policy_document.ts";
import { documentKey, type ReadFile, readingPolicies } from "../language/read_documents.ts";
import { finish, type Steps } from "../slices.ts";
import type { PolicyProblem } from "../language/policy_problem.ts";
import type { Place, Policy } from "../model.ts";
import type { AddOptions, PolicyComplaint, PolicySource } from "../policy_service.ts";
import type { Architecture } from "../syscalls.ts";

/** A document with where it came from, and how it was added. */
export interface HeldDocument {
  /** Names it among all; see `documentKey()`. */
  readonly key: string;
  readonly document: PolicyDocument;
  readonly text: string;
  /** File, or "api". */
  readonly source: string;
  readonly isPersistent: boolean;
  readonly isDisabled: boolean;
  readonly mode?: "enforce" | "monitor";
}

/** A policy that comes, as its document or binding makes it. */
export interface ComingPolicy {
  readonly policy: Policy;
  readonly held: HeldDocument;
  /** It was there, and its template is another one now. */
  readonly isRebound: boolean;
}

/** What comes of a change. */
export interface LibraryChange {
  readonly comes: readonly ComingPolicy[];
  /** Keys of policies, those of `comes` among them that were there. */
  readonly goes: readonly string[];
  /** All documents as they will be. */
  readonly documents: ReadonlyMap<string, HeldDocument>;
}

/** It cannot be done. */
export interface RefusedChange {
  readonly complaints: readonly PolicyComplaint[];
}

/** How documents are to be added. */
export interface StageOptions extends AddOptions {
  /** Also those of other files are replaced: only to look what would come of it. */
  readonly isTrial?: boolean;
}

const API = "api";

/** Documents by key. Immutable but for `commit()`. */
export class PolicyLibrary {
  readonly #architecture: Architecture;
  #documents: ReadonlyMap<string, HeldDocument> = new Map();

  constructor(architecture: Architecture = Deno.build.arch) {
    this.#architecture = architecture;
  }

  /** What stands in the document of a policy, or of a template as "template NAME". */
  find(key: string): HeldDocument | undefined {
    return this.#documents.get(key);
  }

  /** What is to be done to add a text; see `PolicyService.add()`. */
  stageAdd(source: PolicySource, options: StageOptions = {}): LibraryChange | RefusedChange {
    return finish(this.stagingAdd(source, options));
  }

  /** As `stageAdd()`, in steps; nothing else may be staged before it is done. */
  *stagingAdd(
    source: PolicySource,
    options: StageOptions = {},
  ): Steps<LibraryChange | RefusedChange> {
    const { file, text } = source;
    const isEmpty = options.isWholeFile === true && text.trim() === "";
    const read: Pick<ReadFile, "documents" | "problems" | "texts"> = isEmpty
      ? { documents: [], problems: [], texts: new Map() }
      : yield* readingPolicies(text, { file, architecture: this.#architecture });
    const complaints = read.problems.map(complaintOf);
    const { texts } = read;
    const added = new Map<string, HeldDocument>();
    for (const document of read.documents) {
      const { key, place } = documentKey(document);
      const taken = this.#takenBy(key, file, options);
      if (taken !== undefined) complaints.push({ ...place, ...taken });
      added.set(key, {
        ...{ key, document, text: texts.get(key) ?? text },
        source: options.isWholeFile === true ? file : API,
        isPersistent: options.isPersistent ?? false,
        isDisabled: options.isDisabled ?? false,
        ...(options.mode !== undefined && { mode: options.mode }),
      });
    }
    if (complaints.length > 0) return { complaints };
    const removed = options.isWholeFile === true ? this.#keysOf(file) : [];
    return this.#stage(added, removed.filter((key) => !added.has(key)));
  }

  /** What is to be done to remove what a file had. */
  stageRemoveFile(file: string): LibraryChange | RefusedChange {
    return this.#stage(new Map(), this.#keysOf(file));
  }

  /** What is to be done to remove one document. */
  stageRemove(key: string): LibraryChange | RefusedChange {
    return this.#stage(new Map(), [key]);
  }

  /** The change is done. */
  commit({ documents }: LibraryChange): void {
    this.#documents = documents;
  }

  /** Why a name cannot be taken. */
  #takenBy(
    key: string,
    file: string,
    { isWholeFile, replaces, isTrial }: StageOptions,
  ): { readonly text: string; readonly hint: string } | undefined {
    const owner = this.#documents.get(key)?.source;
    if (owner === undefined || isTrial === true) return undefined;
    const isOwn = owner === (isWholeFile === true ? file : API);
    if (isOwn && (isWholeFile === true || replaces === true)) return undefined;
    const text = `the name ${key} is taken by a policy ${owner === API ? "that was added" : ""}` +
      `${owner === API ? "" : `of ${owner}`}`;
    const hint = isOwn
      ? "give it another name, or replace the other one: --replace"
      : "give it another name, or remove the other one";
    return { text: text.trimEnd(), hint };
  }

  #keysOf(file: string): string[] {
    return [...this.#documents.values()].filter(({ source }) => source === file)
      .map(({ key }) => key);
  }

  #stage(
    added: ReadonlyMap<string, HeldDocument>,
    removed: readonly string[],
  ): LibraryChange | RefusedChange {
    const documents = new Map(this.#documents);
    for (const key of removed) documents.delete(key);
    const changed = [...added.values()].filter((held) => !isSame(held, documents.get(held.key)));
    for (const held of changed) documents.set(held.key, held);
    const templates = new Set(
      [...changed, ...removed.map((key) => this.#documents.get(key)!)]
        .flatMap(({ document }) => document.kind === "template" ? [document.template.name] : []),
    );
    const rebound = [...documents.values()].filter((held) =>
      held.document.kind === "binding" && templates.has(held.document.binding.template) &&
      !changed.includes(held)
    );
    const complaints: PolicyComplaint[] = [];
    const comes: ComingPolicy[] = [];
    for (const held of [...changed, ...rebound]) {
      const policy = this.#policyOf(held, documents, complaints);
      if (policy !== undefined) comes.push({ policy, held, isRebound: rebound.includes(held) });
    }
    if (complaints.length > 0) return { complaints };
    const goes = [...removed, ...comes.map(({ held }) => held.key)].filter((key) => {
      const kind = this.#documents.get(key)?.document.kind;
      return kind === "policy" || kind === "binding";
    });
    return { comes, goes, documents };
  }

  /** Undefined for templates, and where there is a complaint. */
  #policyOf(
    { document }: HeldDocument,
    documents: ReadonlyMap<string, HeldDocument>,
    complaints: PolicyComplaint[],
  ): Policy | undefined {
    if (document.kind === "policy") return document.policy;
    if (document.kind === "template") return undefined;
    const { binding } = document;
    const template = templateOf(binding, documents);
    if (template === undefined) {
      const text = `there is no template ${binding.template}`;
      const hint = "add the template first, or remove its bindings with it";
      complaints.push({ ...binding.templateSpot.place, text, hint });
      return undefined;
    }
    const architecture = this.#architecture;
    const { policy, problems } = bindTemplate(template, binding, { architecture });
    complaints.push(...problems.map(complaintOf));
    return policy;
  }
}

/** A file that is read again may have changed in one document only. */
function isSame(held: HeldDocument, before: HeldDocument | undefined): boolean {
  return before !== undefined && held.source !== API && held.source === before.source &&
    held.text === before.text && held.mode === before.mode &&
    held.isDisabled === before.isDisabled && held.isPersistent === before.isPersistent;
}

function templateOf(
  { template }: TemplateBinding,
  documents: ReadonlyMap<string, HeldDocument>,
): PolicyTemplate | undefined {
  const held = documents.get(`template ${template}`)?.document;
  return held?.kind === "template" ? held.template : undefined;
}

/** A complaint at a place. */
export function complaintAt(
  { file, line, column }: Place,
  { text, hint }: { readonly text: string; readonly hint: string },
): PolicyComplaint {
  return { file, line, column, text, hint };
}

function complaintOf({ place, text, hint }: PolicyProblem): PolicyComplaint {
  return complaintAt(place, { text, hint });
}
