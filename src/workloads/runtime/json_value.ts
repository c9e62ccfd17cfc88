/**
 * Reading JSON of others, which may have any shape.
 *
 * @module
 */

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The value as object; an empty one when it is none. */
export function object(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as JsonObject
    : {};
}

/** A process id, or undefined: runtimes write 0 for a container that does not run. */
export function pid(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

/** The object with the entries that are defined. */
export function defined<Fields extends object>(
  fields: { readonly [Key in keyof Fields]: Fields[Key] | undefined },
): Partial<Fields> {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<Fields>;
}
