/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels in RTP: a payload that can be verified octet by octet wherever it arrives
 * (magic, stream key, counter, then octets that follow from key and counter), or a G.711 tone,
 * and the tone detector.
 */
#ifndef TESTS_WIC_SOUND_H
#define TESTS_WIC_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Fill with packet `counter` of stream `key`. @param n at least 16 */
void wic_check_fill(uint8_t *to, size_t n, uint32_t key, uint32_t counter);
/** @return 1 intact (key and counter given), 0 not of this kind, -1 of this kind and damaged */
int wic_check_verify(const uint8_t *bytes, size_t n, uint32_t *key, uint32_t *counter);

/** G.711 of payload type 0 (PCMU) or 8 (PCMA). */
uint8_t wic_g711_encode(int pt, int16_t sample);
int16_t wic_g711_decode(int pt, uint8_t octet);

/** n samples of a sine at 8 kHz; *at counts samples. */
void wic_tone_fill(uint8_t *to, size_t n, int pt, double hz, uint64_t *at);

#define WIC_TONE_BLOCK 800 /* samples: 100 ms */
struct wic_tone_detector {
	double hz;
	double s1, s2, energy;
	unsigned in_block;
	unsigned blocks, good; /* not silent; with most of the energy in the tone */
	double share_sum;
};
void wic_tone_hear(struct wic_tone_detector *d, int pt, const uint8_t *bytes, size_t n);
bool wic_tone_heard(const struct wic_tone_detector *d);
double wic_tone_share(const struct wic_tone_detector *d);

#endif
