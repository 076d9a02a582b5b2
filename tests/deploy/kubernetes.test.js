// SPDX-License-Identifier: Apache-2.0
//
// The manifests without a cluster: against the schemas of the Kubernetes API (kubernetes-models), and
// against each other, the programs' settings and their metrics.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import yaml from 'js-yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'deploy/kubernetes');
const require = createRequire(import.meta.url);
const read = (name) => yaml.loadAll(readFileSync(join(FOLDER, name), 'utf8'));
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
const objects = names.flatMap((name) => read(name));
const only = (kind, name) => {
	const found = objects.filter((o) => o.kind === kind && o.metadata.name === name);

	assert.equal(found.length, 1, `${kind} ${name}`);
	return found[0];
};
const WORKLOAD = { cscf: 'Deployment', agw: 'StatefulSet' };
const workload = (kind) => only(WORKLOAD[kind], `wicgate-${kind}`);
const pod = (kind) => workload(kind).spec.template.spec;
const labelled = (labels, selector) => Object.entries(selector).every(([key, value]) => labels[key] === value);

/** The value behind a Proxy that notes, in seen, the path of each key that is read. */
function watched(value, path, seen) {
	if (value === null || typeof value !== 'object')
		return value;
	return new Proxy(value, {
		get(target, key) {
			if (typeof key !== 'string' || !Object.hasOwn(target, key))
				return target[key];
			seen.add(`${path}/${key}`);
			return watched(target[key], `${path}/${key}`, seen);
		},
	});
}

const paths = (value, path = '') => (value === null || typeof value !== 'object' ? [] :
	Object.keys(value).flatMap((key) => [`${path}/${key}`, ...paths(value[key], `${path}/${key}`)]));

/**
 * What is wrong with an object: what its schema says, and the keys it does not know. The schemas allow
 * those, so they are the keys that the validator never looked at.
 */
function faults(object) {
	const { [object.kind]: Model } = require(`kubernetes-models/${object.apiVersion}/${object.kind}`);
	const seen = new Set();
	const said = [];

	try {
		Model.prototype.validate.call(watched(object, '', seen));
	} catch (err) {
		said.push(err.message);
	}
	return [...said, ...paths(object).filter((path) => !seen.has(path)).map((path) => `unknown ${path}`)];
}

/** Seconds of "600s". */
const seconds = (text) => Number(/^(\d+)s$/.exec(text)[1]);

/** The environment that a container gets; names of Pod and node stand for what only a cluster knows. */
function environment(kind) {
	const env = { ...only('ConfigMap', `wicgate-${kind}`).data };

	for (const { name, value, valueFrom } of pod(kind).containers[0].env ?? [])
		env[name] = valueFrom ? { 'status.hostIP': '192.0.2.7', 'metadata.name': 'wicgate-agw-0' }[valueFrom.fieldRef.fieldPath] :
			value.replace(/\$\((\w+)\)/g, (_, other) => env[other]);
	return env;
}

for (const object of objects) {
	test(`${object.kind} ${object.metadata.name} is what the API expects`, () => {
		assert.deepEqual(faults(object), []);
	});
}

test('a wrong type, a missing key and a misspelt key would be found', () => {
	const broken = structuredClone(workload('cscf'));
	const container = broken.spec.template.spec.containers[0];

	container.securityContext.readOnlyRootFilesystem = 'yes';
	assert.match(faults(broken)[0], /readOnlyRootFilesystem must be boolean/);
	container.securityContext.readOnlyRootFilesystem = true;
	container.lifecycle.prestop = container.lifecycle.preStop;
	assert.ok(faults(broken).includes('unknown /spec/template/spec/containers/0/lifecycle/prestop'));
	delete container.lifecycle.prestop;
	delete broken.spec.selector;
	assert.match(faults(broken)[0], /required property '?selector/);
});

test('kustomization.yaml names every manifest and both images', () => {
	const [k] = read('kustomization.yaml');

	assert.deepEqual([...k.resources].sort(), [...names].sort());
	assert.deepEqual(k.images.map((i) => i.name).sort(), Object.keys(WORKLOAD).map((kind) => pod(kind).containers[0].image).sort());
	assert.equal(k.namespace, only('Namespace', 'wicgate').metadata.name);
});

test('what refers to another object by name or label finds it', () => {
	for (const kind of Object.keys(WORKLOAD)) {
		const { spec } = workload(kind);
		const { labels } = spec.template.metadata;
		const ports = new Set(pod(kind).containers[0].ports.map((p) => p.name));
		const budget = only('PodDisruptionBudget', `wicgate-${kind}`);
		const { scaleTargetRef: target } = only('HorizontalPodAutoscaler', `wicgate-${kind}`).spec;

		assert.ok(labelled(labels, spec.selector.matchLabels));
		assert.ok(labelled(labels, budget.spec.selector.matchLabels));
		assert.deepEqual([target.apiVersion, target.kind, target.name], ['apps/v1', WORKLOAD[kind], `wicgate-${kind}`]);
		assert.equal(only('Service', `wicgate-${kind}`).spec.clusterIP, 'None');
		for (const from of pod(kind).containers[0].envFrom.filter((f) => f.configMapRef))
			only('ConfigMap', from.configMapRef.name);
		for (const service of objects.filter((o) => o.kind === 'Service' && labelled(labels, o.spec.selector)))
			for (const port of service.spec.ports)
				assert.ok(ports.has(port.targetPort), `${service.metadata.name}: ${port.targetPort}`);
		for (const mount of pod(kind).containers[0].volumeMounts)
			assert.ok(pod(kind).volumes.some((v) => v.name === mount.name), mount.name);
	}
	assert.equal(only('Service', workload('agw').spec.serviceName).spec.publishNotReadyAddresses, true);
	for (const { ports = [] } of only('NetworkPolicy', 'wicgate-cscf').spec.ingress)
		for (const { port } of ports)
			assert.ok(pod('cscf').containers[0].ports.some((p) => p.name === port), port);
});

for (const kind of Object.keys(WORKLOAD)) {
	test(`wicgate-${kind}: nothing runs as root, writes into the image or may gain rights`, () => {
		const { securityContext: context, automountServiceAccountToken: token, containers } = pod(kind);

		assert.equal(context.runAsNonRoot, true);
		assert.equal(context.seccompProfile.type, 'RuntimeDefault');
		assert.equal(token, false);
		for (const { securityContext: own } of containers)
			assert.deepEqual(own, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
	});
	test(`wicgate-${kind}: probed on /livez and /readyz, drained before SIGTERM, given the time to end`, () => {
		const [c] = pod(kind).containers;
		const drains = JSON.stringify(c.lifecycle.preStop.exec.command);
		const socket = readFileSync(join(ROOT, `deploy/conf/wicgate-${kind}.yaml`), 'utf8').match(/^ {2}ctl_socket: (\S+)$/m)[1];

		assert.equal(c.livenessProbe.httpGet.path, '/livez');
		assert.equal(c.readinessProbe.httpGet.path, '/readyz');
		assert.match(drains, /wicgatectl.*drain/);
		assert.ok(drains.includes(socket));
		/* preStop 5 s, BYEs 5 s, WebSockets 30 s (ws.drain_time). */
		assert.ok(pod(kind).terminationGracePeriodSeconds >= seconds(environment(kind).WICGATE_SHUTDOWN_GRACE) + 40);
	});
	test(`wicgate-${kind}: its settings are keys of the program, and good on top of the image's`, () => {
		const program = join(ROOT, `build/release/bin/wicgate-${kind}`);
		const keys = new Set(execFileSync(program, ['--help-config'], { encoding: 'utf8' }).split('\n')
			.map((line) => `WICGATE_${line.split(' ')[0].replaceAll('.', '_').toUpperCase()}`));
		const env = environment(kind);
		const { status, stdout, stderr } = spawnSync(program,
			['--config', join(ROOT, `deploy/conf/wicgate-${kind}.yaml`), '--check-config'], { env, encoding: 'utf8' });

		for (const name of Object.keys(env).filter((n) => n !== 'NODE_IP'))
			assert.ok(keys.has(name), name);
		assert.equal(status, 0, stdout + stderr);
		/* Variables that a cluster makes for Services begin as ours do. */
		assert.equal(pod(kind).enableServiceLinks, false);
	});
	test(`wicgate-${kind}: scaled by metrics that the process has`, () => {
		const sources = execFileSync('git', ['grep', '-hoE', `"${kind}_[a-z_]+"`, '--', kind], { cwd: ROOT, encoding: 'utf8' });

		for (const { pods } of only('HorizontalPodAutoscaler', `wicgate-${kind}`).spec.metrics)
			assert.ok(sources.includes(`"${pods.metric.name}"`), pods.metric.name);
	});
	test(`the autoscaler of the ${kind} asks for more well before a replica is full`, () => {
		const limit = (key) => Number(new RegExp(`"${key.replace('.', '\\.')}", \\w+, "(\\d+)"`)
			.exec(readFileSync(`${ROOT}${kind}/config.c`, 'utf8'))[1]);
		const limits = { cscf_registrations: 'ws.max_connections', cscf_calls: 'limits.calls', agw_contexts: 'limits.contexts' };

		for (const { pods } of only('HorizontalPodAutoscaler', `wicgate-${kind}`).spec.metrics)
			assert.ok(Number(pods.target.averageValue) <= limit(limits[pods.metric.name]) / 2, pods.metric.name);
	});
}
