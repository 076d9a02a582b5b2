// SPDX-License-Identifier: Apache-2.0
/*
 * What went wrong, in a sentence a caller understands. SIP statuses, JsSIP causes and media errors
 * in; { title, text, code } out. No state, no page.
 */

const CALL = {
  400: ['Not understood', 'The network did not understand this call.'],
  401: ['Not signed in', 'The network asks for a new sign-in. Sign in again, then call.'],
  403: ['Not allowed', 'This call is not allowed: you may not be registered, or may not dial this number.'],
  404: ['Unknown number', 'Nobody has this number. Check it and dial again.'],
  405: ['Not supported', 'The other side does not support this kind of call.'],
  408: ['No answer', 'The other side could not be reached in time.'],
  410: ['Number gone', 'This number is no longer in use.'],
  415: ['Not supported', 'The other side does not support this kind of call.'],
  480: ['Not available', 'The other side is not registered at the moment.'],
  481: ['Call lost', 'The other side no longer knows this call.'],
  484: ['Number incomplete', 'The number is too short. Dial the whole number.'],
  486: ['Busy', 'The other side is in another call.'],
  487: ['Cancelled', 'The call was cancelled before it was answered.'],
  488: ['No common media', 'The other side shares no codec or media type with this browser.'],
  491: ['Both at once', 'Both sides changed the call at the same moment. Try again.'],
  500: ['Network fault', 'The network had an internal fault. Try again in a moment.'],
  503: ['Network busy', 'The network has no free resources just now. Try again in a moment.'],
  504: ['Core unreachable', 'The gateway cannot reach the IMS core. Try again in a moment.'],
  600: ['Busy', 'The other side is in another call.'],
  603: ['Declined', 'The other side declined the call.'],
  604: ['Unknown number', 'Nobody has this number. Check it and dial again.'],
  606: ['No common media', 'The other side shares no codec or media type with this browser.'],
};

const REGISTER = {
  401: ['Wrong user or password', 'The network did not accept this user and password. Check both.'],
  403: ['Wrong user or password', 'The network refused this user and password. Check both.'],
  404: ['Unknown domain', 'The network does not serve this domain. Check the connection settings.'],
  408: ['No answer', 'The gateway took the registration but the network did not answer.'],
  423: ['Interval too brief', 'The network wants a longer registration interval.'],
  480: ['Not available', 'The network does not take registrations just now.'],
  500: ['Network fault', 'The network had an internal fault. Try again in a moment.'],
  503: ['Network busy', 'The network takes no registrations just now. Try again in a moment.'],
  504: ['Core unreachable', 'The gateway cannot reach the IMS core. Try again in a moment.'],
};

const TOO_MANY = ['Too many attempts', 'There were too many wrong passwords. Wait a minute, then try again.'];

/* What a refusal says of itself, whoever signed in how: by the words of the answer. */
const WORDS = [
  [/too many failed attempts/i, TOO_MANY],
  [/too many connections/i, ['Signed in too often', 'This user is signed in on too many devices. Sign out on another one, then try again.']],
  [/connection belongs to another user/i, ['Signed in as somebody else', 'This page is still connected as another user. Reload it, then sign in again.']],
  [/third-party/i, ['Not your number', 'Nobody may register a number for somebody else.']],
  [/domain not served|foreign (private|realm)/i, ['Unknown domain', 'The network does not serve this domain. Check the connection settings.']],
];

/* A web sign-in that was refused: by the words of the answer, then by its status. */
const WEB_WORDS = [
  [/another (user|issuer)/i, ['Signed in as somebody else', 'This page is still connected as another user. Sign in again.']],
  [/given back/i, ['Number given back', 'You have given this number back. Sign in again to get another one.']],
  [/without ims identity/i, ['No number in this sign-in', 'Your sign-in names no phone number. Ask whoever gave you the account.']],
  [/insecure/i, ['Connection not safe', 'Web sign-ins are taken over a safe connection (wss) only. Check the connection settings.']],
  [/expired/i, ['Sign-in expired', 'The time of your sign-in is over. Sign in again.']],
  [/not yet valid/i, ['Sign-in not valid yet', 'The clocks of the sign-in service and of the network differ. Sign in again in a minute.']],
  [/revoked|not active/i, ['Signed out', 'Your sign-in was ended. Sign in again.']],
  [/issuer/i, ['Sign-in not accepted here', 'The network does not know the service that signed you in. Sign in with the service of this page.']],
  [/not for this service|audience/i, ['Sign-in for another service', 'Your sign-in was made for another service, not for calls in this network. Sign in again.']],
  [/scope/i, ['Calls not included', 'Your sign-in does not include phone calls. Ask whoever gave you the account.']],
  [/origin/i, ['Page not allowed', 'The network does not take this sign-in from this page.']],
  [/scheme/i, ['No web sign-in here', 'The network takes no web sign-ins from this page. Use a phone account.']],
  [/barred/i, ['Sign-in service barred', 'The network takes no sign-ins from this service any more.']],
  [/identity in use/i, ['Number in use', 'Somebody else has this number just now. Sign in again.']],
  [/token in use/i, ['Signed in elsewhere', 'This sign-in is in use in another window. Close that one, or sign in again.']],
  [/requires authentication/i, ['Web sign-in not accepted', 'The network did not take the word of the sign-in service. Its operator has to allow that.']],
  [/too many registrations/i, ['Network busy', 'The network takes no registrations just now. It is asked again by itself.']],
  [/range/i, ['Identity not allowed', 'The service that signed you in may not give out this number.']],
];

const WEB = {
  400: ['Sign-in not understood', 'The network could not read your sign-in. Sign in again.'],
  401: ['Sign-in not valid', 'The network does not accept this sign-in: it may be damaged or forged. Sign in again.'],
  403: ['Not your number', 'Your sign-in does not allow you to use this number. Sign in as its owner.'],
  503: ['Sign-in cannot be checked', 'The network cannot reach the sign-in service just now. Try again in a moment.'],
};

const CAUSE = {
  'User Denied Media Access': [
    'No microphone',
    'The browser has no permission for the microphone or camera, or there is none. Allow it beside the address, then call again.',
  ],
  'Connection Error': ['Connection lost', 'The connection to the gateway was lost.'],
  'Request Timeout': ['No answer', 'The network did not answer in time.'],
  'WebRTC Error': ['Media error', 'The browser could not set up audio or video for this call.'],
  'Bad Media Description': ['Media error', 'The browser refused the media description of the other side.'],
  'Missing SDP': ['Media error', 'The other side sent no media description.'],
  'No ACK': ['Call lost', 'The other side did not confirm the call.'],
  'No Answer': ['Missed', 'The call was not answered in time.'],
  'RTP Timeout': ['Media lost', 'No audio arrived any more and the call was ended.'],
  'Dialog Error': ['Call lost', 'The other side no longer knows this call.'],
  Canceled: ['Cancelled', 'The call was cancelled before it was answered.'],
  Rejected: ['Declined', 'The call was declined.'],
  Expires: ['Missed', 'The call was not answered in time.'],
};

function pick(row, code) {
  return { title: row[0], text: row[1], code: code || 0 };
}

function classOf(status) {
  if (status >= 600) return 'The other side refused the call everywhere.';
  if (status >= 500) return 'The network could not handle the call.';
  if (status >= 400) return 'The call could not be completed.';
  return 'The network answered with a redirection, which this phone does not follow.';
}

/**
 * The emergency answer of TS 24.229: 380 with an application/3gpp-ims+xml body. The text of
 * <reason> is the operator's own words for the caller. The phone never calls again by itself; it
 * offers the number to the dialler of the device, where there is one.
 */
export function alternativeService(response, dialled = '') {
  const body = response && typeof response.body === 'string' ? response.body : '';
  let reason = '';
  let emergency = false;
  const number = /^(?:sips?:|tel:)?([+*#\d().-]+)(?:[@;]|$)/.exec(dialled)?.[1].replace(/[().-]/g, '');
  if (body) {
    const doc = new DOMParser().parseFromString(body, 'application/xml');
    const first = (name) => doc.getElementsByTagNameNS('*', name)[0]?.textContent.trim() ?? '';
    reason = first('reason').slice(0, 300);
    emergency = first('type') === 'emergency';
  }
  return {
    title: emergency ? 'Emergency call: use another phone' : 'Use another service',
    text:
      (emergency ? 'Emergency calls cannot be made from this page. Dial the number on a mobile or fixed phone now.' : 'The network asks you to use another service for this call.') +
      (reason ? ` The network says: “${reason}”` : ''),
    code: 380,
    emergency,
    link: emergency && number ? { href: `tel:${number.replaceAll('#', '%23')}`, text: `Call ${number} with the phone of this device` } : null,
  };
}

/** Why a call failed or ended; null when it ended normally. */
export function callSentence({ cause, response = null, originator = '', direction = '', dialled = '' }) {
  const status = response?.status_code ?? 0;
  if (status === 380) return alternativeService(response, dialled);
  if (cause === 'Terminated') return null;
  if (originator === 'local' && ['Canceled', 'Rejected', 'Busy'].includes(cause)) return null;
  if (direction === 'in' && cause === 'Canceled') return pick(['Missed call', 'The caller hung up before you answered.']);
  if (status >= 300) {
    const row = CALL[status] ?? [response.reason_phrase || 'Call failed', classOf(status)];
    return pick(row, status);
  }
  return pick(CAUSE[cause] ?? ['Call failed', cause || 'The call ended for an unknown reason.']);
}

function webSentence(response) {
  const said = [response.reason_phrase, response.getHeader('Warning'), response.getHeader('Reason')].filter(Boolean).join(' ');
  const [, row] = [...WORDS, ...WEB_WORDS].find(([pattern]) => pattern.test(said)) ?? [];
  return { ...pick(row ?? WEB[response.status_code], response.status_code), action: response.status_code === 503 ? 'retry' : 'signin' };
}

/** Why the registration failed. web: it was tried with a web identity. */
export function registerSentence({ cause, response }, { web = false } = {}) {
  const status = response?.status_code ?? 0;
  if (status === 380) return alternativeService(response);
  if (web && WEB[status]) return webSentence(response);
  if (status) {
    const [, said] = WORDS.find(([pattern]) => pattern.test(response.reason_phrase)) ?? [];
    return pick(said ?? REGISTER[status] ?? ['Registration failed', `The network answered: ${response.reason_phrase}.`], status);
  }
  return pick(CAUSE[cause] ?? ['Registration failed', cause || 'The registration failed.']);
}

/** The WebSocket did not open. A page cannot learn why; a self-made certificate is the usual cause. */
export function connectSentence(url) {
  const page = url.replace(/^ws/, 'http').replace(/^(https?:\/\/[^/]+).*$/, '$1/');
  return {
    title: 'Gateway not reached',
    text: `${url} does not answer, or the browser does not trust its certificate, or the gateway does not allow this page's origin.`,
    code: 0,
    link: url.startsWith('wss:') ? { href: page, text: 'Open the gateway once and accept its certificate' } : null,
  };
}
