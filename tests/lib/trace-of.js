// SPDX-License-Identifier: Apache-2.0
//
// "Each bad input gets its answer, a counter and a log line and disturbs nothing": the second half
// of that sentence. The answer is asserted by the test itself.
import assert from 'node:assert/strict';
import { parseLog } from './observe.js';
import { until } from './wait.js';

/** Lines a limited call site writes in its window (common/log.h). */
const LIMIT = 10;

/**
 * Run fn and wait until the daemon counted it and said so.
 * counter: { name, labels } that must grow. log: { event, values }: a line of that event, written
 * meanwhile, unless its rate limit is used up by earlier lines.
 */
export async function leavesTrace(daemon, { counter, log }, fn) {
	const before = await daemon.metrics();
	const since = daemon.process.lines.length;
	const earlier = log && daemon.log().filter((l) => log.event instanceof RegExp ? log.event.test(l.event)
		: l.event === log.event).length;
	const result = await fn();

	if (counter) {
		await until(async () => (await daemon.metrics()).sum(counter.name, counter.labels) >
			before.sum(counter.name, counter.labels), { ms: 5000, what: 'the counter' }).catch(async () => {
			const grown = (await daemon.metrics()).grownSince(before).map((m) =>
				`${m.name}${JSON.stringify(m.labels)}`);

			assert.fail(`${counter.name}${JSON.stringify(counter.labels ?? {})} did not grow; grown: ${grown.join(' ')}`);
		});
	}
	if (log && earlier < LIMIT) {
		const fits = (line) => {
			const l = parseLog(line);

			return l && (log.event instanceof RegExp ? log.event.test(l.event) : l.event === log.event) && Object.entries(log.values ?? {}).every(([k, v]) =>
				v instanceof RegExp ? v.test(l[k] ?? '') : l[k] === v);
		};

		await daemon.process.line(fits, { since, ms: 5000 }).catch(() => assert.fail(
			`no log line ${log.event} ${JSON.stringify(log.values ?? {})}; written meanwhile:\n${
				daemon.process.lines.slice(since).slice(-10).join('\n')}`));
	}
	return result;
}
