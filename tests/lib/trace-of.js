// SPDX-License-Identifier: Apache-2.0
//
// "Each bad input gets its answer, a counter and a log line and disturbs nothing": the second half
// of that sentence. The answer is asserted by the test itself.
import assert from 'node:assert/strict';
import { parseLog } from './observe.js';
import { SECOND, until } from './wait.js';

/** Lines a limited call site writes in its window (common/log.h), and the window. */
const LIMIT = 10;
const WINDOW = 10 * SECOND;

const isOf = (l, event) => event instanceof RegExp ? event.test(l.event) : l.event === event;

/** Lines of an event that may count in the limit's present window: those younger than the window. */
function recent(lines, event) {
	const oldest = Date.now() - WINDOW;

	// A line without a readable time counts: better to assert nothing than to fail wrongly.
	return lines.filter((line) => {
		const l = parseLog(line);

		return l && isOf(l, event) && !(Date.parse(line.split(' ', 1)[0]) < oldest);
	}).length;
}

/**
 * Run fn and wait until the daemon counted it and said so.
 * counter: { name, labels } that must grow. log: { event, values }: a line of that event, written
 * meanwhile, unless its rate limit is used up by the lines of the last ten seconds.
 * log.wait: wait for the end of such a time, so that the line is asserted in any case.
 */
export async function leavesTrace(daemon, { counter, log }, fn) {
	if (log?.wait)
		await until(() => recent(daemon.process.lines, log.event) < LIMIT, { ms: WINDOW + 2 * SECOND, every: 100,
			what: `room for a line ${log.event}` });
	const before = await daemon.metrics();
	const since = daemon.process.lines.length;
	const due = log && recent(daemon.process.lines, log.event) < LIMIT;
	const result = await fn();

	if (counter) {
		await until(async () => (await daemon.metrics()).sum(counter.name, counter.labels) >
			before.sum(counter.name, counter.labels), { ms: 5000, what: 'the counter' }).catch(async () => {
			const grown = (await daemon.metrics()).grownSince(before).map((m) =>
				`${m.name}${JSON.stringify(m.labels)}`);

			assert.fail(`${counter.name}${JSON.stringify(counter.labels ?? {})} did not grow; grown: ${grown.join(' ')}`);
		});
	}
	if (due) {
		const fits = (line) => {
			const l = parseLog(line);

			return l && isOf(l, log.event) && Object.entries(log.values ?? {}).every(([k, v]) =>
				v instanceof RegExp ? v.test(l[k] ?? '') : l[k] === v);
		};

		await daemon.process.line(fits, { since, ms: 5000 }).catch(() => assert.fail(
			`no log line ${log.event} ${JSON.stringify(log.values ?? {})}; written meanwhile:\n${
				daemon.process.lines.slice(since).slice(-10).join('\n')}`));
	}
	return result;
}
