/**
 * Errors of the kernel and well-known services by name, as policies write them.
 *
 * @module
 */
import type { Words } from "./kernel_words.ts";

/** In the order of their numbers from 1; "-" where there is none (asm-generic/errno*.h). */
const ERRNO_ORDER = `
  EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK
  EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE
  EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM
  ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC
  EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO
  EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX
  ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
  EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL
  ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
  ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN
  ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED
  EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON
`;

/** "EPERM" to 1 and so on. */
export const ERRNOS: ReadonlyMap<string, number> = new Map([
  ...ERRNO_ORDER.trim().split(/\s+/).map((name, i) => [name, i + 1] as const)
    .filter(([name]) => name !== "-"),
  ["EWOULDBLOCK", 11],
  ["EDEADLOCK", 35],
  ["ENOTSUP", 95],
]);

/** The number of "EPERM" or "-EPERM", negative as the kernel returns it. */
export function errnoValue(text: string): number | undefined {
  const errno = ERRNOS.get(text.replace(/^-/, ""));
  return errno === undefined ? undefined : -errno;
}

/** Ports of services that policies speak of (IANA); files of hosts differ from each other. */
export const SERVICES: Words = new Map(
  Object.entries({
    ftp: 21,
    ssh: 22,
    telnet: 23,
    smtp: 25,
    domain: 53,
    dns: 53,
    tftp: 69,
    http: 80,
    kerberos: 88,
    pop3: 110,
    sunrpc: 111,
    ntp: 123,
    imap: 143,
    snmp: 161,
    bgp: 179,
    ldap: 389,
    https: 443,
    "microsoft-ds": 445,
    smtps: 465,
    syslog: 514,
    submission: 587,
    ldaps: 636,
    "domain-s": 853,
    rsync: 873,
    imaps: 993,
    pop3s: 995,
    socks: 1080,
    "ms-sql-s": 1433,
    mqtt: 1883,
    nfs: 2049,
    etcd: 2379,
    docker: 2375,
    "docker-s": 2376,
    mysql: 3306,
    "ms-wbt-server": 3389,
    postgresql: 5432,
    amqp: 5672,
    redis: 6379,
    kubernetes: 6443,
    "http-alt": 8080,
    kubelet: 10250,
    memcached: 11211,
    mongodb: 27017,
  }).map(([name, port]) => [name, BigInt(port)]),
);
