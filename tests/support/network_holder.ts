/**
 * Holds the network sensor until it is killed.
 *
 * @module
 */
import { NetworkBench } from "./network_bench.ts";

if (import.meta.main) {
  using _bench = new NetworkBench();
  console.log("attached");
  await new Promise<never>(() => setInterval(() => {}, 1000));
}
