// SPDX-License-Identifier: Apache-2.0
/* The two pages a person sees: sign in, and what went wrong. No script, nothing from elsewhere. */
import { randomBytes } from 'node:crypto';

const STYLE = `:root{font:16px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:#13201d;background:#f3f5f4;color-scheme:light dark}
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center}main{background:#fff;border:1px solid #e1e7e5;border-radius:22px;padding:28px;width:min(396px,94vw);box-shadow:0 12px 32px -12px rgb(16 32 28/18%)}
h1{font-size:1.4rem;margin:0 0 4px}p{color:#5d6b68;margin:0 0 16px;font-size:.92rem}label{display:block;font-size:.85rem;color:#5d6b68;margin-bottom:12px}
input{display:block;width:100%;margin-top:5px;padding:12px;border-radius:12px;border:1px solid #cfd8d5;background:#f6f8f7;color:inherit;font:inherit}
button{width:100%;padding:13px;border:0;border-radius:14px;background:#0f766e;color:#fff;font:inherit;font-weight:650;cursor:pointer;margin-top:6px}
button.soft{background:none;color:#0f766e;border:1px solid #0f766e}button.plain{background:none;color:#5d6b68;font-weight:400}form+form{margin-top:8px}
.bad{background:#fdecec;color:#8f1d1d;border-radius:12px;padding:10px 14px}
@media(prefers-color-scheme:dark){:root{background:#0c1211;color:#e9f1ef}main{background:#141d1b;border-color:#24312e}input{background:#1a2523;border-color:#24312e}p,label,button.plain{color:#8fa09c}}`;

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => ESCAPES[c]);

function send(res, status, title, body, { formAction = "'none'", headers = {} } = {}) {
  const nonce = randomBytes(12).toString('base64url');
  res.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': `default-src 'none'; style-src 'nonce-${nonce}'; form-action ${formAction}; frame-ancestors 'none'; base-uri 'none'`,
    ...headers,
  });
  res.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title><style nonce="${nonce}">${STYLE}</style></head><body><main>${body}</main></body></html>`);
}

const guestForm = (uid, soft) => `<form method="post" action="/interaction/${escape(uid)}/guest"><button class="${soft ? 'soft' : ''}" data-testid="waf-guest">Continue as guest</button></form>`;

function userForm(uid, login) {
  return `<form method="post" action="/interaction/${escape(uid)}/login">
<label>Login<input name="login" data-testid="waf-login" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="128" required value="${escape(login)}"></label>
<label>Password<input name="password" data-testid="waf-password" type="password" autocomplete="current-password" maxlength="256" required></label>
<button data-testid="waf-submit">Sign in</button></form>`;
}

/**
 * The sign-in page. options: { uid, client, login, guests, view, problem, status, retry_s,
 * origins (where the forms may end up after their redirects) }
 */
export function signInPage(res, { uid, client, login = '', guests, view, problem = '', status = 200, retry_s = 0, origins }) {
  const guestOnly = view === 'guest' && guests;
  const forms = guestOnly ? guestForm(uid) : userForm(uid, login) + (guests ? guestForm(uid, true) : '');
  const said = problem ? `<p class="bad" role="alert" data-testid="waf-problem">${escape(problem)}</p>` : '';
  const headers = retry_s ? { 'Retry-After': String(retry_s) } : {};
  send(res, status, 'Sign in', `<h1>Sign in</h1><p>${escape(client)} asks who you are.${guestOnly ? ' As a guest you get a number for a while.' : ''}</p>${said}${forms}
<form method="post" action="/interaction/${escape(uid)}/abort"><button class="plain" data-testid="waf-abort">Cancel</button></form>`, { formAction: ["'self'", ...origins].join(' '), headers });
}

/** What went wrong, when there is nobody to send it back to. */
export function errorPage(res, status, text) {
  send(res, status, 'Sign-in not possible', `<h1>Sign-in not possible</h1><p data-testid="waf-error">${escape(text)}</p><p>Go back to the page you came from and try again.</p>`);
}
