// SPDX-License-Identifier: Apache-2.0
//
// baresip as an IMS UE: registers at the core, answers automatically, sends a sine tone and
// records what it hears, so that a test can look for the browser's tone in the recording.
// It answers, and does what its own commands can (hold, transfer …) when it is given a control
// port; a UE that calls, rejects or cancels is ue.js.
import net from 'node:net';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Process } from './proc.js';
import { goertzel, readWav, toneWav } from './rtp.js';
import { SECOND, until, within } from './wait.js';

const MODULES = ['/usr/lib/baresip/modules', '/usr/lib/x86_64-linux-gnu/baresip/modules'];

export class Baresip {
	#seen = 0;

	/**
	 * tone: Hz of its sine. rtp: [low, high] of its RTP ports. control: TCP port for command(), not the
	 * one after port, where it listens for TLS. wic: with ICE, DTLS-SRTP and rtcp-mux; core is then who speaks SIP with it.
	 */
	static async start({ user, password = user, domain = 'ims.test', host = '127.0.0.1', port, core,
		dir, tone = 440, rtp, control, wic = false }) {
		const self = new Baresip();

		self.wic = wic;
		self.control = control && { host, port: control };
		self.dir = join(dir, `baresip-${user}`);
		mkdirSync(self.dir, { recursive: true });
		const wav = join(self.dir, 'tone.wav');
		writeFileSync(wav, toneWav(tone, 120, 8000));
		writeFileSync(join(self.dir, 'config'), `sip_listen ${host}:${port}
${wic ? '' : `net_interface ${host}\n`}call_local_timeout 60
call_max_calls 4
audio_source aufile,${wav}
audio_player aubridge,sink
audio_srate 8000-8000
audio_channels 1-1
rtp_ports ${rtp[0]}-${rtp[1]}
rtcp_mux ${wic ? 'yes' : 'no'}
module_path ${MODULES.find((d) => existsSync(d))}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
${wic ? 'module ice.so\nmodule dtls_srtp.so\n' : ''}module_tmp account.so
module_app menu.so
${control ? `module_app ctrl_tcp.so\nctrl_tcp_listen ${host}:${control}\n` : ''}snd_path ${self.dir}
`);
		writeFileSync(join(self.dir, 'accounts'), `<sip:${user}@${domain}>;auth_user=${user};auth_pass=${
			password};outbound="sip:${core.host}:${core.port};transport=udp";sipnat=;answermode=auto;audio_codecs=PCMU;mwi=no;${
				wic ? 'regint=0;mediaenc=dtls_srtp;medianat=ice' : 'regint=600'}\n`);
		writeFileSync(join(self.dir, 'contacts'), '');
		self.process = new Process(`baresip-${user}`, 'baresip', ['-f', self.dir]);
		await self.process.line(wic ? /baresip is ready/ : /1 binding|registered successfully|200 OK/, { ms: 20 * SECOND });
		return self;
	}

	/** Wait for something that happens from now on: "established" or "closed". */
	async event(what, ms = 20 * SECOND) {
		const line = await this.process.line({ established: /Call established/, closed: /session closed|terminated \(duration/ }[what],
			{ ms, since: this.#seen });

		this.#seen = this.process.lines.indexOf(line, this.#seen) + 1;
		return line;
	}

	/** Is the tone in the last second of what it heard? The recording is written while it runs. */
	hears(freq) {
		const files = readdirSync(this.dir).filter((f) => f.endsWith('-dec.wav')).sort();

		if (files.length === 0)
			return 0;
		const wav = readFileSync(join(this.dir, files.at(-1)));
		// The header's length is only right after the end: take all there is.
		wav.writeUInt32LE(Math.max(0, wav.length - 44), 40);
		const { rate, samples } = readWav(wav);
		const last = samples.slice(-rate);
		return last.length < rate / 2 ? 0 : goertzel(last, freq, rate);
	}

	heard(freq, ms = 15 * SECOND) {
		return until(() => this.hears(freq) > 0.7, { ms, every: 100, what: `${freq} Hz at baresip` });
	}

	/** One of baresip's own commands, as a netstring on its control port; its answer. */
	async command(command, params) {
		const json = JSON.stringify({ command, ...(params && { params }) });
		const sock = net.connect(this.control);
		let text = '';

		sock.setEncoding('utf8');
		try {
			return await within(new Promise((resolve, reject) => {
				sock.on('error', reject);
				sock.on('data', (d) => {
					text += d;
					// Events of the call come on the same line.
					const answer = text.split(/\d+:(?=\{)/).find((part) => /"response":true/.test(part) && part.endsWith('},'));

					if (answer)
						resolve(JSON.parse(answer.slice(0, -1)));
				});
				sock.write(`${json.length}:${json},`);
			}), 5 * SECOND, `baresip's answer to ${command}`);
		} finally {
			sock.destroy();
		}
	}

	stop() {
		// As a WIC it has nothing to unregister, and would wait for its transactions to linger out.
		return this.process.stop(this.wic ? 'SIGKILL' : 'SIGTERM');
	}
}
