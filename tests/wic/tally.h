/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which packets of a checked stream came: each once, late, twice, never. The first stream heard is
 * the one that counts, others are foreign. One thread.
 */
#ifndef TESTS_WIC_TALLY_H
#define TESTS_WIC_TALLY_H

#include "common/err.h"
#include "tests/wic/media.h"

struct wic_tally {
	uint8_t *seen; /* owned; bit per counter of that stream */
	uint32_t key, first, last;
	bool any;
};

/** @return GW_ERR_NOMEM; to be freed even then */
enum gw_err wic_tally_init(struct wic_tally *t);
void wic_tally_free(struct wic_tally *t);
/** A packet came; what is odd about it is counted in st. */
void wic_tally_add(struct wic_tally *t, struct wic_media_stats *st, uint32_t key, uint32_t counter);
/** Packets that never came, from the first one that did to before that counter. */
uint64_t wic_tally_lost(const struct wic_tally *t, uint32_t until);

#endif
