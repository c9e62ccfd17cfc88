/**
 * Policies in the kernel: their tables and the programs that look at them.
 *
 * @module
 */
export { PolicyKernel, type PolicyKernelOptions } from "./policy_kernel.ts";
export { nearestNames, ProbedAbilities, type ProbedAbilitiesOptions } from "./probed_abilities.ts";
