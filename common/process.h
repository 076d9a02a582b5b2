/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operating system says of this process: descriptors and memory.
 * Thread: any (the raise: start-up only).
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

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

#endif
