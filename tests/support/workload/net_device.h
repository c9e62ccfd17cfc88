/* Interfaces of a network namespace. */
#ifndef NET_DEVICE_H
#define NET_DEVICE_H

/* A pair; the other end is in the network namespace of a process, 0: in this one. */
void make_veth(const char *name, const char *peer_name, int peer_pid);
/* Gives addresses of /24 and /64. Ends the program when the device cannot be brought up. */
void up_device(const char *name, const char *address4, const char *address6);
/* Another IPv4 address, or with 0.0.0.0 none: packets for the old one are dropped. */
void change_address(const char *name, const char *address);

#endif
