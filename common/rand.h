/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random octets and tokens, all from OpenSSL's CSPRNG (CALL-50, ICE-05).
 * Thread: any.
 */
#ifndef COMMON_RAND_H
#define COMMON_RAND_H

#include <stddef.h>
#include <stdint.h>

/** Fill buf. The generator's failure is a broken machine: logged and fatal. */
void gw_rand_bytes(void *buf, size_t n);
uint64_t gw_rand_u64(void);
/** Write n characters of [A-Za-z0-9+/] (six bits each; ice-chars) and a terminator to buf[n+1]. */
void gw_rand_token(char *buf, size_t n);
/** Lower-case hex of `octets` random octets and a terminator to buf[2*octets+1]. */
void gw_rand_hex(char *buf, size_t octets);

#endif
