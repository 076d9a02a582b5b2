/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log lines go: a descriptor that may stop taking them (a pipe nobody reads, a journal that
 * hangs, a full disk). What it does not take at once waits in a backlog of 1 MiB; what that does
 * not hold is dropped. The process never waits for its log.
 * Thread: any; gw_log_sink_set before the threads start.
 */
#ifndef COMMON_LOG_SINK_H
#define COMMON_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

/** Use this descriptor from now on (not owned); what kind of file it is decides how it is written.
 * What waits for the one before is written as far as that takes it at once. */
void gw_log_sink_set(int fd);

/**
 * Write one line, or keep it to be written in its turn. Longer than PIPE_BUF it is cut, but in a
 * file.
 * @param line  its last octet is '\n'
 * @return false: it is lost
 */
bool gw_log_sink_write(const char *line, size_t n);

#endif
