/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Fixed-size integers and the export anchors of the wire headers.
 *
 * Headers that describe records compile alone, with nothing from the kernel or libc, so that
 * `deno task generate` can turn them into TypeScript. EXPORT_STRUCT and EXPORT_ENUM put a type into
 * the BTF of that compile; in normal builds they are empty.
 */
#ifndef SHRIKE_WIRE_TYPES_H
#define SHRIKE_WIRE_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#ifdef EXPORT_TYPES
#define EXPORT_STRUCT(name) struct name *export_struct_##name __attribute__((section(".export")))
#define EXPORT_ENUM(name) enum name *export_enum_##name __attribute__((section(".export")))
#else
#define EXPORT_STRUCT(name) _Static_assert(1, "")
#define EXPORT_ENUM(name) _Static_assert(1, "")
#endif

#endif
