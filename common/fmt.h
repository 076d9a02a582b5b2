/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsnprintf for texts that are written with every call: the plain conversions %s %.*s %u %d %lu
 * %ld %llu %lld %zu %c %% without width or flags, and %02x %02X, are done here, at a tenth of its
 * price; a format with any other goes to vsnprintf as a whole. Not for floating point or locales.
 * Thread: any.
 */
#ifndef COMMON_FMT_H
#define COMMON_FMT_H

#include <stdarg.h>
#include <stddef.h>

/**
 * Write text as vsnprintf does, terminated whenever size > 0.
 *
 * @param out  may be NULL when size is 0
 * @return octets of the whole text, without the terminator, as if there were room
 */
size_t gw_vfmt(char *out, size_t size, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/** The same with arguments. */
size_t gw_fmt(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** As asprintf does: *out is the caller's to free. @return its length; -1: no memory, *out is NULL
 */
int gw_asfmt(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
