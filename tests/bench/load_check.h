/* SPDX-License-Identifier: Apache-2.0 */
/* One ICE check of the load: the socket, the message, its answer. Thread: one. */
#ifndef TESTS_BENCH_LOAD_CHECK_H
#define TESTS_BENCH_LOAD_CHECK_H

#include "tests/bench/sdp_text.h"

#include <netinet/in.h>
#include <stdint.h>

/**
 * A Binding request of a controlling agent that does not nominate (RFC 8445 s7.2.2).
 *
 * @param ufrag  of the WIC
 * @param id     comes back with the answer
 * @return its length
 */
size_t load_check_write(uint8_t to[256], const struct bench_gate *gate, const char *ufrag,
			uint64_t id);

/** @return true: a success response; *id = that of the request */
bool load_check_read(const uint8_t *p, size_t n, uint64_t *id);

#endif
