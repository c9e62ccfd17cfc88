/**
 * The soak in any length, half an hour by default:
 *
 *     deno task soak [MINUTES [KERNEL]]
 *
 * @module
 */
import { fetchKernel, listKernels } from "../../scripts/fetch_kernels.ts";
import { growth, soak } from "./soak_guest.ts";

const MINUTES = 30;

if (import.meta.main) {
  const [minutes = MINUTES, kernel = (await listKernels()).at(-1)!.name] = Deno.args;
  const seconds = Math.round(Number(minutes) * 60);
  if (!(seconds > 0)) {
    console.error(`soak: "${minutes}" is not a number of minutes`);
    Deno.exit(2);
  }
  const { output, ...result } = await soak(await fetchKernel(kernel), seconds);
  const grown = growth(result);
  if (grown.length > 0) console.error(output);
  console.log(JSON.stringify(result, undefined, 2));
  console.log(grown.length === 0 ? "flat" : grown.join("\n"));
  Deno.exit(grown.length === 0 ? 0 : 1);
}
