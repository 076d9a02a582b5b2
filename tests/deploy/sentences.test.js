// SPDX-License-Identifier: Apache-2.0
//
// What the softphone says to a refused registration: held against the phrases that stand in the
// gateway's own sources, so that a new refusal cannot be told as "wrong password".
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { registerSentence } from '../../deploy/softphone/src/sentences.js';

const source = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const said = (status, phrase, web) => registerSentence({ response: { status_code: status, reason_phrase: phrase,
	getHeader: () => undefined } }, { web }).title;

const phrases = [...source('cscf/authz/authz.h').matchAll(/X\((\w+), (\w+), "[\w-]+", "([^"]+)"\)/g)]
	.map(([, name, verdict, phrase]) => ({ name, verdict, phrase }));

test('a denied token is never told as somebody else\'s number, an expired one never as forged', () => {
	const denied = phrases.filter((p) => p.verdict === 'DENIED');

	assert.ok(denied.length >= 7 && phrases.length >= 20);
	for (const { phrase } of denied)
		assert.notEqual(said(403, phrase, true), 'Not your number', phrase);
	for (const [name, title] of [['EXPIRED', 'Sign-in expired'], ['ISSUER', 'Sign-in not accepted here'],
		['SIGNATURE', 'Sign-in not valid'], ['AUDIENCE', 'Sign-in for another service']])
		assert.equal(said(401, phrases.find((p) => p.name === name).phrase, true), title);
});

test('limits are not told as a wrong password, whoever signed in how', () => {
	for (const web of [true, false]) {
		assert.equal(said(403, 'Too Many Connections', web), 'Signed in too often');
		assert.equal(said(403, 'Too Many Failed Attempts', web), 'Too many attempts');
		assert.equal(said(403, 'Connection Belongs To Another User', web), 'Signed in as somebody else');
	}
	for (const phrase of ['Too Many Connections', 'Connection Belongs To Another User'])
		assert.ok(source('cscf/registrar/registrar.c').includes(`"${phrase}"`), phrase);
	assert.equal(said(403, 'Token Of Another Issuer', true), 'Signed in as somebody else');
	assert.equal(said(403, 'Identity Given Back', true), 'Number given back');
	assert.equal(said(403, 'Forbidden', false), 'Wrong user or password');
});
