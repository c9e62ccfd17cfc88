/**
 * Settings without their secrets.
 *
 * @module
 */
import { parseDocument, stringify } from "yaml";

/** Stands where something was left out. */
export const LEFT_OUT = "[left out]";

/** Words in keys whose values are nobody's business. */
const SECRET_KEY = /pass|secret|token|credential|auth|cookie|bearer|private|certificate|api.?key/i;

/** Places inside of values: user and password of URLs, and assignments of secrets. */
const URL_USER = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
const ASSIGNMENT =
  /([\w-]*(?:pass|secret|token|credential|auth|api.?key)[\w-]*["']?\s*[=:~]\s*|bearer\s+)\S+/gi;

/** Depth of a config; ours has two levels. */
const DEPTH_MAX = 16;

/** A line of text without what looks like a secret. */
export function withoutSecrets(text: string): string {
  return text.replace(URL_USER, `$1${LEFT_OUT}@`).replace(ASSIGNMENT, `$1${LEFT_OUT}`);
}

/**
 * A config file without secrets and without comments, which may hold old ones. A file that is no
 * YAML is left out as a whole.
 */
export function configWithoutSecrets(text: string): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) return `# ${LEFT_OUT}: it is no YAML\n`;
  let value: unknown;
  try {
    // Aliases are limited by the library: a bomb throws.
    value = document.toJS();
  } catch {
    return `# ${LEFT_OUT}: it is no YAML\n`;
  }
  return stringify(clean(value, 0));
}

function clean(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX) return LEFT_OUT;
  if (Array.isArray(value)) return value.map((each) => clean(each, depth + 1));
  if (typeof value === "string") return withoutSecrets(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      withoutSecrets(key),
      SECRET_KEY.test(key) ? LEFT_OUT : clean(each, depth + 1),
    ]),
  );
}
