/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: a descriptor that may stop taking them (a pipe nobody reads, a journal that
 * hangs, a full disk). A line that cannot be written at once is dropped; the process never waits
 * for its log.
 * Thread: any; gw_log_sink_set before the threads start.
 */
#ifndef COMMON_LOG_SINK_H
#define COMMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/** Use this descriptor from now on (not owned); what kind of file it is decides how it is written.
 */
void gw_log_sink_set(int fd);

/**
 * Write one line at once, or not at all. Longer than PIPE_BUF it is cut where the descriptor is a
 * pipe.
 * @param line  its last octet is '\n'
 * @return false: it could not be written
 */
bool gw_log_sink_write(const char *line, size_t n);

#endif
