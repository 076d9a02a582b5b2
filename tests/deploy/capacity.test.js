// SPDX-License-Identifier: Apache-2.0
//
// deploy/CAPACITY.md is what its script prints, its limits are the programs' defaults, and its formulae grow as they should.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LIMITS, compute, page } from '../../deploy/capacity.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const key = (file, name) => new RegExp(`K_[A-Z]+\\("${name.replaceAll('.', '\\.')}", [^,]+, "([^"]*)"`).exec(readFileSync(`${ROOT}${file}`, 'utf8'))[1];

test('CAPACITY.md is printed by capacity.mjs', () => {
	assert.equal(readFileSync(`${ROOT}deploy/CAPACITY.md`, 'utf8'), page());
});

test('its limits are the defaults of the programs', () => {
	const pairs = (name) => {
		const [first, last] = key('agw/config.c', name).split('-').map(Number);

		return last - first + 1;
	};

	assert.equal(LIMITS.websockets[0], Number(key('cscf/config.c', 'ws.max_connections')));
	assert.equal(LIMITS.contexts[0], Number(key('agw/config.c', 'limits.contexts')));
	assert.equal(LIMITS.core_pairs[0], pairs('core.ports') / 2);
	assert.equal(LIMITS.access_ports[0], pairs('access.ports'));
	assert.equal(`${LIMITS.quarantine_s[0]}s`, key('agw/config.c', 'port.quarantine'));
	assert.equal(LIMITS.links[0], Number(/IQ_MAX_LINKS\s+(\d+)/.exec(readFileSync(`${ROOT}cscf/iq/iq_int.h`, 'utf8'))[1]));
	assert.equal(LIMITS.controllers[0], Number(key('agw/config.c', 'iq.max_controllers')));
	const haproxy = readFileSync(`${ROOT}deploy/docker/haproxy.cfg`, 'utf8');
	assert.equal(LIMITS.balancer[0], Number(/maxconn (\d+)/.exec(haproxy)[1]));
	assert.equal(LIMITS.slots[0], Number(/server-template cscf (\d+)/.exec(haproxy)[1]));
	assert.match(key('cscf/config.c', 'reg.max_initial_rate') + key('cscf/config.c', 'ws.drain_rate'), /^200200$/);
});

test('more eP-CSCFs or AGWs than know each other make cells', () => {
	assert.equal(compute().r.cells, 1);
	assert.equal(compute({ users: 2_000_000 }).r.cells, 2);
	assert.equal(compute({ calls: 300_000 }).r.cells, 2);
	assert.equal(compute({ users: 2_000_000, lost: 0 }).r.balancers, 50);
});

test('twice the calls need twice the AGWs, ports and bits; users alone need no AGW', () => {
	const one = compute({ lost: 0 }).r;
	const two = compute({ lost: 0, calls: 200000 }).r;

	assert.equal(two.agw, 2 * one.agw);
	assert.ok(Math.abs(two.all_gbit - 2 * one.all_gbit) < 1e-9);
	assert.equal(two.cscf, one.cscf);
	assert.equal(compute({ calls: 0, lost: 0 }).r.agw, 0);
	assert.equal(compute({ users: 20000, calls: 0, lost: 0 }).r.cscf, 1);
});
