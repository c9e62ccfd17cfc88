// SPDX-License-Identifier: Apache-2.0
/* Makes cheap system calls until it is killed; the generator program turns them into records. */
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>
#include <sys/syscall.h>

int main(void) {
    /* Never outlives the bench: a forgotten busy loop would spoil every later measurement. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        syscall(SYS_getppid);
}
