/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operating system says of this process (descriptors, memory), and what it is asked to do
 * with it. Thread: any (what changes something: start-up only).
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/** Open descriptors now; -1 when /proc cannot be read. */
int64_t gw_process_open_fds(void);
/** Resident memory in octets; -1 when /proc cannot be read. */
int64_t gw_process_rss_octets(void);
/** Soft limit of descriptors; -1 when unknown. */
int64_t gw_process_fd_limit(void);

/**
 * Raise the soft limit of descriptors to `want`, at most to the hard limit; want 0 = the hard
 * limit. A refusal leaves the old limit.
 * @return the soft limit now; -1 when unknown
 */
int64_t gw_process_raise_fd_limit(int64_t want);

/**
 * Keep what this process knows to itself: keys, tokens and passwords live in its memory (SRTP-12,
 * SEC-10). Before any thread starts.
 * @param dump_memory  false: a core dump has registers and mappings, and no memory at all
 * @param lock         true: nothing that was touched is ever swapped out
 * @return GW_OK; GW_ERR_IO the dump filter was not taken; GW_ERR_LIMIT memory may not be locked
 */
enum gw_err gw_process_guard_memory(bool dump_memory, bool lock) GW_MUST_CHECK;

#endif
