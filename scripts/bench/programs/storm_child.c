// SPDX-License-Identifier: Apache-2.0
/*
 * The smallest program: exits with 0, without libc, so that a storm measures fork and exec and not
 * a dynamic linker. One of the places that know the processor: a program without libc has to.
 */
void _start(void) {
#if defined(__x86_64__)
    __asm__ volatile("xor %%edi, %%edi\n\tmov $231, %%eax\n\tsyscall" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov x0, #0\n\tmov x8, #94\n\tsvc #0" ::: "memory");
#else
#error "exit_group(0) is not written for this processor"
#endif
    for (;;)
        ;
}
