/**
 * What a cgroup path says about the workload in it. Pure: no look-up, no state.
 *
 * @module
 */
import type { NestedContainer, PodQosClass, Unit, WorkloadKind } from "../events/mod.ts";
import { PATH_FORMS, type PathForm, QOS_UNNAMED, RUNTIME_OF_PREFIX } from "./path_forms.ts";
import { parseUnitName, unescapeUnitText, type UnitName } from "./unit_name.ts";

/** Longest path that is looked at: PATH_MAX of the kernel. */
const PATH_LENGTH_MAX = 4096;
/** Deepest level that is looked at; twice what cgroup trees of nested runtimes reach. */
const LEVEL_MAX = 64;

/** What the path says. */
export interface PathRecognition {
  readonly kind: WorkloadKind;
  /** Name as far as the path gives one: short container id, pod uid, unit, session. */
  readonly name: string;
  /** Container id, pod uid, session id or the unit's own path; "host" for the host. */
  readonly id: string;
  /** Depth of the cgroup that names the workload, 0 for the root: the level to track. */
  readonly level: number;
  readonly container?: PathContainer;
  readonly pod?: PathPod;
  readonly unit?: Unit;
  readonly userUid?: number;
  readonly inner?: NestedContainer;
  readonly outer?: NestedContainer;
  /** False when no form matched, so that it counts as the host's. */
  readonly isRecognised: boolean;
}

/** A container as its path names it. */
export interface PathContainer {
  readonly runtime: string;
  readonly id: string;
  /** Namespace of containerd, when the path tells. */
  readonly namespace?: string;
}

/** A pod as its path names it. */
export interface PathPod {
  readonly uid: string;
  readonly qosClass?: PodQosClass;
  /** "podman" or "kubernetes". */
  readonly runtime: "kubernetes" | "podman";
}

/** What is known of the host beside the path. */
export interface RecognitionContext {
  /** Path of the container the agent and all it sees live in, such as a node of kind. */
  readonly home?: string;
  /** Namespaces of containerd; only below them `/<namespace>/<id>` is a container. */
  readonly containerdNamespaces?: ReadonlySet<string>;
}

/** "default" is ctr's and nerdctl's own, wherever containerd is. */
const USUAL_NAMESPACES: ReadonlySet<string> = new Set(["default"]);

/**
 * Recognises the workload of a cgroup path as in /proc/PID/cgroup. The outermost container names
 * it, because that is the one the host's runtime knows; what is deeper never does.
 */
export function recognisePath(path: string, context: RecognitionContext = {}): PathRecognition {
  if (path.length > PATH_LENGTH_MAX) return { ...HOST, isRecognised: false };
  const components = splitPath(path);
  const home = splitPath(context.home ?? "");
  const isBelowHome = home.length > 0 && home.every((part, at) => components[at] === part);
  if (!isBelowHome) return new PathWalk(components, 0, context).conclude();
  const outer = new PathWalk(home, 0, context).innermost();
  const recognition = new PathWalk(components, home.length, context).conclude();
  return outer === undefined ? recognition : { ...recognition, outer };
}

const HOST: PathRecognition = {
  kind: "host",
  name: "host",
  id: "host",
  level: 0,
  isRecognised: true,
};

/** `..` stands for parents that a cgroup namespace hides. */
function splitPath(path: string): string[] {
  return path.replace(/ \(deleted\)$/, "").split("/")
    .filter((part) => part !== "" && part !== "." && part !== "..")
    .slice(0, LEVEL_MAX);
}

interface FoundContainer extends PathContainer {
  readonly kind: "container" | "machine";
  readonly level: number;
  readonly pod?: PathPod & { readonly level: number };
}

/** One pass over the components of a path. */
class PathWalk {
  readonly #components: readonly string[];
  readonly #path: string;
  readonly #namespaces: ReadonlySet<string>;
  readonly #first: number;
  readonly #containers: FoundContainer[] = [];
  #pod: (PathPod & { readonly level: number }) | undefined;
  #outermostPod: (PathPod & { readonly level: number }) | undefined;
  #unit: { readonly name: UnitName; readonly level: number } | undefined;
  #slice: string | undefined;
  #userUid: number | undefined;
  #managerUid: number | undefined;
  /** Whether deeper directories may still be units of the same service manager. */
  #mayBeUnit = true;
  #isRecognised: boolean;

  constructor(components: readonly string[], first: number, context: RecognitionContext) {
    this.#components = components;
    this.#first = first;
    this.#path = components.join("/");
    this.#namespaces = context.containerdNamespaces ?? USUAL_NAMESPACES;
    this.#isRecognised = components.length === first;
    this.#walk();
  }

  /** The deepest container, in short form. */
  innermost(): NestedContainer | undefined {
    const found = this.#containers.at(-1);
    return found === undefined ? undefined : nested(found);
  }

  /** The workload. */
  conclude(): PathRecognition {
    const [container] = this.#containers;
    const shared = {
      ...(this.#unit === undefined ? {} : { unit: this.#publicUnit(this.#unit.name) }),
      ...(this.#userUid === undefined ? {} : { userUid: this.#userUid }),
      isRecognised: true,
    };
    if (container !== undefined) return { ...shared, ...this.#ofContainer(container) };
    const pod = this.#outermostPod;
    if (pod !== undefined) {
      const { level, ...of } = pod;
      return { ...shared, kind: "pod", name: pod.uid, id: pod.uid, level, pod: of };
    }
    if (this.#unit !== undefined) return { ...shared, ...this.#ofUnit(this.#unit) };
    return { ...HOST, level: this.#first, isRecognised: this.#isRecognised };
  }

  #walk(): void {
    let at = this.#first;
    let offset = this.#components.slice(0, at).reduce((sum, part) => sum + part.length + 1, 0);
    while (at < this.#components.length) {
      const found = this.#match(offset, at);
      const text = found === undefined ? this.#components[at]! : found.match[0];
      const count = found === undefined ? 1 : text.split("/").length;
      if (found !== undefined) this.#take(found.form, found.match.groups ?? {}, at + count);
      this.#takeUnit(this.#components[at + count - 1]!, at + count, found?.form.kind);
      at += count;
      offset += text.length + 1;
    }
  }

  #match(offset: number, at: number): { form: PathForm; match: RegExpExecArray } | undefined {
    for (const form of PATH_FORMS) {
      if (form.atRoot === true && at !== this.#first) continue;
      form.pattern.lastIndex = offset;
      const match = form.pattern.exec(this.#path);
      if (match === null) continue;
      if (form.inNamespace === true && !this.#isNamespaced(match, at)) continue;
      return { form, match };
    }
    return undefined;
  }

  /** A unit below a directory that has the name of a namespace is no container of it. */
  #isNamespaced(match: RegExpExecArray, at: number): boolean {
    return this.#namespaces.has(match.groups?.["namespace"] ?? "") &&
      parseUnitName(this.#components[at + 1]!) === undefined;
  }

  #take(form: PathForm, groups: Readonly<Record<string, string>>, level: number): void {
    this.#isRecognised = true;
    const uid = groups["uid"];
    if (uid !== undefined) this.#takePod(form, uid, groups["qos"] as PodQosClass, level);
    if (form.kind !== "container" && form.kind !== "machine") return;
    const { id = unescapeUnitText(groups["name"] ?? ""), namespace, prefix } = groups;
    const runtime = form.runtime ?? RUNTIME_OF_PREFIX[prefix ?? ""] ?? "unknown";
    if (this.#containers.some((known) => known.id === id)) return;
    this.#containers.push({
      kind: form.kind,
      runtime,
      id,
      level,
      ...(namespace === undefined ? {} : { namespace }),
      ...(this.#pod === undefined ? {} : { pod: this.#pod }),
    });
    this.#pod = undefined;
  }

  #takePod(form: PathForm, uid: string, qos: PodQosClass | undefined, level: number): void {
    const isPodman = form.runtime === "podman";
    this.#pod = isPodman
      ? { uid, runtime: "podman", level }
      // The systemd driver has to write "_" for "-"; in uids of the API there is no "_".
      : {
        uid: uid.replaceAll("_", "-"),
        runtime: "kubernetes",
        qosClass: qos ?? QOS_UNNAMED,
        level,
      };
    if (this.#containers.length === 0) this.#outermostPod ??= this.#pod;
  }

  #takeUnit(directory: string, level: number, kind: PathForm["kind"] | undefined): void {
    if (!this.#mayBeUnit) return;
    const name = parseUnitName(directory);
    const isLast = kind === "container" || kind === "machine";
    if (isLast) this.#mayBeUnit = false;
    if (name === undefined) {
      // Below a service or scope are its own sub-groups, whatever their names look like.
      if (this.#unit !== undefined && this.#unit.name.type !== "slice") this.#mayBeUnit = false;
      return;
    }
    this.#isRecognised = true;
    if (this.#unit?.name.type === "slice") this.#slice = this.#unit.name.name;
    this.#unit = { name, level };
    if (name.type === "slice") this.#userUid ??= uidOf(/^user-(\d{1,10})\.slice$/, name.name);
    else if (name.template === "user@.service") {
      this.#managerUid = uidOf(/^user@(\d{1,10})\.service$/, name.name);
      this.#userUid ??= this.#managerUid;
    } else this.#mayBeUnit = false;
  }

  #publicUnit(unit: UnitName): Unit {
    // The user's own manager is a unit of the system.
    const userUid = unit.template === "user@.service" ? undefined : this.#managerUid;
    return {
      name: unit.name,
      ...(unit.template === undefined ? {} : { template: unit.template }),
      ...(unit.instance === undefined ? {} : { instance: unit.instance }),
      ...(this.#slice === undefined ? {} : { slice: this.#slice }),
      ...(userUid === undefined ? {} : { userUid }),
    };
  }

  #ofContainer(found: FoundContainer): Omit<PathRecognition, "isRecognised"> {
    const { kind, runtime, id, namespace, pod, level } = found;
    const inner = this.#containers.length > 1 ? nested(this.#containers.at(-1)!) : undefined;
    return {
      kind,
      name: kind === "machine" ? id : shortId(id),
      id,
      level,
      container: namespace === undefined ? { runtime, id } : { runtime, id, namespace },
      ...(pod === undefined ? {} : { pod: withoutLevel(pod) }),
      ...(inner === undefined ? {} : { inner }),
    };
  }

  #ofUnit({ name, level }: { name: UnitName; level: number }): Omit<
    PathRecognition,
    "isRecognised"
  > {
    const session = /^session-(\w{1,64})\.scope$/.exec(name.name)?.[1];
    if (session !== undefined && this.#userUid !== undefined) {
      return { kind: "session", name: session, id: session, level };
    }
    const kind = UNIT_KINDS[name.type];
    return { kind, name: name.name, id: `/${this.#components.slice(0, level).join("/")}`, level };
  }
}

const UNIT_KINDS: Readonly<Record<UnitName["type"], WorkloadKind>> = {
  service: "service",
  scope: "scope",
  slice: "slice",
  mount: "unit",
  socket: "unit",
  swap: "unit",
};

/** Runtimes show the first 12 digits; ids that are names stay whole. */
export function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}

function nested({ runtime, id, pod }: FoundContainer): NestedContainer {
  return pod === undefined ? { runtime, id } : { runtime, id, podUid: pod.uid };
}

function withoutLevel({ uid, qosClass, runtime }: PathPod): PathPod {
  return qosClass === undefined ? { uid, runtime } : { uid, qosClass, runtime };
}

function uidOf(pattern: RegExp, text: string): number | undefined {
  const digits = pattern.exec(text)?.[1];
  // uid_t has 32 bits and the last is "no user".
  return digits !== undefined && Number(digits) < 0xffff_ffff ? Number(digits) : undefined;
}
