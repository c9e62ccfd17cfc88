/**
 * Names of the numbers in DNS messages (IANA, "Domain Name System Parameters").
 *
 * @module
 */

const TYPES: Readonly<Record<number, string>> = {
  ...{ 1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX" },
  ...{ 16: "TXT", 17: "RP", 18: "AFSDB", 24: "SIG", 25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV" },
  ...{ 35: "NAPTR", 36: "KX", 37: "CERT", 39: "DNAME", 41: "OPT", 42: "APL", 43: "DS" },
  ...{ 44: "SSHFP", 45: "IPSECKEY", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 49: "DHCID" },
  ...{ 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 53: "SMIMEA", 55: "HIP", 59: "CDS" },
  ...{ 60: "CDNSKEY", 61: "OPENPGPKEY", 62: "CSYNC", 63: "ZONEMD", 64: "SVCB", 65: "HTTPS" },
  ...{ 99: "SPF", 108: "EUI48", 109: "EUI64", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR" },
  ...{ 255: "ANY", 256: "URI", 257: "CAA" },
};

const RESPONSE_CODES: Readonly<Record<number, string>> = {
  ...{ 0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED" },
  ...{ 6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET", 9: "NOTAUTH", 10: "NOTZONE", 11: "DSOTYPENI" },
  ...{ 16: "BADVERS", 17: "BADKEY", 18: "BADTIME", 19: "BADMODE", 20: "BADNAME", 21: "BADALG" },
  ...{ 22: "BADTRUNC", 23: "BADCOOKIE" },
};

const OPCODES: Readonly<Record<number, string>> = {
  ...{ 0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO" },
};

/** "AAAA" for 28; RFC 3597's "TYPE77" for a number without a name. */
export function recordTypeName(type: number): string {
  return TYPES[type] ?? `TYPE${type}`;
}

/** "NXDOMAIN" for 3, "RCODE12" for a number without a name. */
export function responseCodeName(code: number): string {
  return RESPONSE_CODES[code] ?? `RCODE${code}`;
}

/** "NOTIFY" for 4, "OPCODE9" for a number without a name. */
export function opcodeName(opcode: number): string {
  return OPCODES[opcode] ?? `OPCODE${opcode}`;
}
