// SPDX-License-Identifier: Apache-2.0
//
// Waiting for events and states with a bound. Nothing here waits for time to pass: a wait ends
// as soon as its condition holds, and names the condition when it never does.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';

export const SECOND = 1000;

/** Reject after ms with a text that says what was awaited. */
export function within(promise, ms, what) {
	let timer;
	const limit = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(
			`waited ${ms / 1000} s for ${typeof what === 'function' ? what() : what}`)), ms);
	});

	return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** Poll fn until it returns something truthy; returns that. fn may throw: kept as the reason. */
export async function until(fn, { ms = 15 * SECOND, every = 50, what = 'condition' } = {}) {
	const end = Date.now() + ms;
	let last, reason;

	for (;;) {
		try {
			last = await fn();
			reason = undefined;
			if (last)
				return last;
		} catch (err) {
			reason = err;
		}
		if (Date.now() >= end)
			break;
		await new Promise((resolve) => setTimeout(resolve, every));
	}
	const name = typeof what === 'function' ? what() : what;
	throw new Error(`waited ${ms / 1000} s for ${name}${reason ? `: ${reason.message}` : ''}`,
		{ cause: reason });
}

/**
 * What fn() gives becomes `expected` (deeply): for what follows a message that was seen, and not before it.
 * Throws as assert.deepEqual does.
 */
export async function becomes(fn, expected, { ms = 15 * SECOND, every = 20 } = {}) {
	const end = Date.now() + ms;

	for (;;) {
		const is = await fn();

		if (isDeepStrictEqual(is, expected))
			return;
		if (Date.now() >= end)
			assert.deepEqual(is, expected);
		await new Promise((resolve) => setTimeout(resolve, every));
	}
}

/**
 * A list that can be awaited: push() items, next(match) takes the first that matches,
 * now or later. Items nobody asked for stay and can be read with all().
 */
export class Inbox {
	#items = [];
	#waiters = [];

	push(item) {
		const at = this.#waiters.findIndex((w) => w.match(item));

		if (at < 0) {
			this.#items.push(item);
			return;
		}
		const [waiter] = this.#waiters.splice(at, 1);
		waiter.resolve(item);
	}

	next(match = () => true, { ms = 15 * SECOND, what = 'message' } = {}) {
		const at = this.#items.findIndex(match);

		if (at >= 0)
			return Promise.resolve(this.#items.splice(at, 1)[0]);
		const waiter = { match };
		const promise = new Promise((resolve) => {
			waiter.resolve = resolve;
		});
		this.#waiters.push(waiter);
		return within(promise, ms, what).finally(() => {
			this.#waiters = this.#waiters.filter((w) => w !== waiter);
		});
	}

	all() {
		return [...this.#items];
	}

	clear() {
		this.#items = [];
	}
}
