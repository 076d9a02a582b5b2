// SPDX-License-Identifier: Apache-2.0
//
// One tone among samples. For the UEs of the tests, and bundled into their page: no imports.

/** Power at freq relative to all power in the samples, 0..1. */
export function goertzel(samples, freq, rate = 8000) {
	const k = 2 * Math.cos(2 * Math.PI * freq / rate);
	let s1 = 0, s2 = 0, total = 0;

	for (const x of samples) {
		const s0 = x + k * s1 - s2;

		s2 = s1;
		s1 = s0;
		total += x * x;
	}
	if (total === 0)
		return 0;
	return (s1 * s1 + s2 * s2 - k * s1 * s2) * 2 / (total * samples.length);
}

/** Loudness of that frequency, 1 = full scale; share: what goertzel() says, where it is known. */
export function loudness(samples, freq, rate, share = goertzel(samples, freq, rate)) {
	return Math.sqrt(share * samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
}
