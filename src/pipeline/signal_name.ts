/**
 * Names of signals by number.
 *
 * @module
 */

/**
 * asm-generic/signal.h: the numbering of x86, arm64, riscv and all others but alpha, mips and
 * sparc.
 */
const NAMES = (
  "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 " +
  "SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG " +
  "SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS"
).split(" ");

/** glibc keeps 32 and 33 for its threads. */
const SIGRTMIN = 34;

/** "SIGKILL" for 9, "SIGRTMIN+2" for 36, "SIG32" for one without a name, "" for 0. */
export function signalName(signal: number): string {
  if (signal === 0) return "";
  if (signal < SIGRTMIN) return NAMES[signal - 1] ?? `SIG${signal}`;
  return signal === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${signal - SIGRTMIN}`;
}
