/**
 * Work that one process at a time does in a checkout.
 *
 * @module
 */
import { dirname } from "node:path";

/** Waits until nobody holds the lock on `path`, and holds it until it is disposed or we end. */
export async function lockFile(path: string): Promise<Disposable> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  return { [Symbol.dispose]: () => file.close() };
}
