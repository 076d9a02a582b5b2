/* SPDX-License-Identifier: Apache-2.0 */
/* Checkable payloads, G.711 (ITU-T G.711), sine and Goertzel; see sound.h. */
#include "tests/wic/sound.h"

#include <math.h>
#include <string.h>

#define HEAD         12
#define SAMPLE_RATE  8000.0
#define AMPLITUDE    10000.0
#define SILENCE      1000.0 /* mean square below this says nothing */
#define GOOD_SHARE   0.6
#define BLOCKS_HEARD 5

static const uint8_t magic[4] = {'W', 'I', 'C', '1'};

static void put32(uint8_t *to, uint32_t v)
{
	to[0] = (uint8_t)(v >> 24);
	to[1] = (uint8_t)(v >> 16);
	to[2] = (uint8_t)(v >> 8);
	to[3] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void wic_check_fill(uint8_t *to, size_t n, uint32_t key, uint32_t counter)
{
	uint64_t x = ((uint64_t)key << 32 | counter) ^ 0x9e3779b97f4a7c15U;

	memcpy(to, magic, sizeof(magic));
	put32(to + 4, key);
	put32(to + 8, counter);
	if (x == 0)
		x = 1;
	for (size_t i = HEAD; i < n; i++) { /* xorshift64* */
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		to[i] = (uint8_t)((x * 0x2545f4914f6cdd1dU) >> 56);
	}
}

int wic_check_verify(const uint8_t *bytes, size_t n, uint32_t *key, uint32_t *counter)
{
	uint8_t expect[1500];

	if (n < HEAD || n > sizeof(expect) || memcmp(bytes, magic, sizeof(magic)) != 0)
		return 0;
	*key = get32(bytes + 4);
	*counter = get32(bytes + 8);
	wic_check_fill(expect, n, *key, *counter);
	return memcmp(expect, bytes, n) == 0 ? 1 : -1;
}

static uint8_t encode_ulaw(int sample)
{
	int sign = sample < 0 ? 0x80 : 0;
	int exponent = 7;
	int s = sample < 0 ? -sample : sample;

	if (s > 32635)
		s = 32635;
	s += 132;
	for (int mask = 0x4000; (s & mask) == 0 && exponent > 0; mask >>= 1)
		exponent--;
	return (uint8_t) ~(sign | exponent << 4 | (s >> (exponent + 3) & 0x0f));
}

static int decode_ulaw(uint8_t octet)
{
	int v = ~octet & 0xff;
	int s = (((v & 0x0f) << 3) + 132) << (v >> 4 & 7);

	return (v & 0x80) != 0 ? 132 - s : s - 132;
}

static uint8_t encode_alaw(int sample)
{
	int sign = sample >= 0 ? 0x80 : 0;
	int exponent = 7;
	int s = sample >= 0 ? sample : -sample - 1;
	int v;

	if (s > 32767)
		s = 32767;
	for (int mask = 0x4000; (s & mask) == 0 && exponent > 0; mask >>= 1)
		exponent--;
	v = exponent > 0 ? exponent << 4 | (s >> (exponent + 3) & 0x0f) : s >> 4;
	return (uint8_t)((sign | v) ^ 0x55);
}

static int decode_alaw(uint8_t octet)
{
	int v = octet ^ 0x55;
	int exponent = v >> 4 & 7;
	int s = ((v & 0x0f) << 4) + 8;

	if (exponent > 0)
		s = (s + 0x100) << (exponent - 1);
	return (v & 0x80) != 0 ? s : -s;
}

uint8_t wic_g711_encode(int pt, int16_t sample)
{
	return pt == 8 ? encode_alaw(sample) : encode_ulaw(sample);
}

int16_t wic_g711_decode(int pt, uint8_t octet)
{
	return (int16_t)(pt == 8 ? decode_alaw(octet) : decode_ulaw(octet));
}

void wic_tone_fill(uint8_t *to, size_t n, int pt, double hz, uint64_t *at)
{
	for (size_t i = 0; i < n; i++, (*at)++) {
		double angle = 2 * M_PI * hz * (double)*at / SAMPLE_RATE;

		to[i] = wic_g711_encode(pt, (int16_t)lrint(AMPLITUDE * sin(angle)));
	}
}

/* Share of the block's energy that is in the tone (Goertzel): 1 for a pure sine. */
static void end_block(struct wic_tone_detector *d)
{
	double w = 2 * M_PI * d->hz / SAMPLE_RATE;
	double power = d->s1 * d->s1 + d->s2 * d->s2 - 2 * cos(w) * d->s1 * d->s2;

	if (d->energy / WIC_TONE_BLOCK > SILENCE) {
		double share = 2 * power / (WIC_TONE_BLOCK * d->energy);

		d->blocks++;
		d->share_sum += share;
		if (share > GOOD_SHARE)
			d->good++;
	}
	d->s1 = d->s2 = d->energy = 0;
	d->in_block = 0;
}

void wic_tone_hear(struct wic_tone_detector *d, int pt, const uint8_t *bytes, size_t n)
{
	double c = 2 * cos(2 * M_PI * d->hz / SAMPLE_RATE);

	if (d->hz <= 0)
		return;
	for (size_t i = 0; i < n; i++) {
		double x = wic_g711_decode(pt, bytes[i]);
		double s0 = x + c * d->s1 - d->s2;

		d->s2 = d->s1;
		d->s1 = s0;
		d->energy += x * x;
		if (++d->in_block == WIC_TONE_BLOCK)
			end_block(d);
	}
}

bool wic_tone_heard(const struct wic_tone_detector *d)
{
	return d->good >= BLOCKS_HEARD;
}

double wic_tone_share(const struct wic_tone_detector *d)
{
	return d->blocks > 0 ? d->share_sum / d->blocks : 0;
}
