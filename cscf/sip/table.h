/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uthash for this folder: include this, never <uthash.h>. Keys come from the network (branches,
 * Call-IDs), so the hash is keyed with a secret of the process: nobody outside can choose keys
 * that fall into one bucket. After an allocation failure the table stays as it was and the
 * element's hh.tbl is NULL.
 * Thread: the loop thread.
 */
#ifndef CSCF_SIP_TABLE_H
#define CSCF_SIP_TABLE_H

#include <stddef.h>
#include <stdint.h>

/** SipHash-2-4. */
uint64_t cscf_sip_siphash(const uint64_t key[2], const void *data, size_t n);
/** The same with the process's secret, folded to what uthash takes. */
unsigned cscf_sip_table_hash(const void *key, size_t n);

#define HASH_NONFATAL_OOM                    1
#define HASH_FUNCTION(keyptr, keylen, hashv) ((hashv) = cscf_sip_table_hash((keyptr), (keylen)))
#include <uthash.h>

#endif
