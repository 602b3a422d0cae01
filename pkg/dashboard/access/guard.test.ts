import { expect, test } from 'vitest';
import { type RequestHead, refusalOf } from './guard.ts';

const host = '127.0.0.1:8001';
const own = `http://${host}`;

function statusOf(head: Partial<RequestHead>): number {
  const headers = { host, ...head.headers };
  return refusalOf({ method: 'GET', url: '/', ...head, headers }, [host, 'localhost:8001'])?.status ?? 200;
}

test.each<[string, Partial<RequestHead>, number]>([
  ['the page itself', {}, 200],
  ['the page by its other name', { headers: { host: 'localhost:8001' } }, 200],
  ['a name that leads here by somebody else’s DNS', { headers: { host: 'evil.example:8001' } }, 421],
  ['no name', { headers: { host: undefined } }, 421],
  ['another port of this machine', { headers: { host: '127.0.0.1:8002' } }, 421],
  ['what the page asks for', { url: '/api/session', headers: { 'sec-fetch-site': 'same-origin' } }, 200],
  ['what another page asks for', { url: '/api/session', headers: { 'sec-fetch-site': 'cross-site' } }, 403],
  ['what another port’s page asks for', { url: '/api/session', headers: { 'sec-fetch-site': 'same-site' } }, 403],
  ['a link of another page', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } }, 200],
  [
    'a link into the API',
    { url: '/api/resources', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } },
    403,
  ],
  [
    'a frame',
    { headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } },
    403,
  ],
  ['a frame in the page itself', { headers: { 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-origin' } }, 403],
  ['a change by the page', { method: 'POST', url: '/api/session', headers: { origin: own } }, 200],
  [
    'a change by another page',
    { method: 'POST', url: '/api/session', headers: { origin: 'https://evil.example' } },
    403,
  ],
  ['a change by a page without an origin', { method: 'POST', url: '/api/session', headers: { origin: 'null' } }, 403],
  ['a change by nobody', { method: 'DELETE', url: '/api/session' }, 403],
  ['the page’s name over another scheme', { method: 'PUT', headers: { origin: `https://${host}` } }, 403],
  ['a WebSocket of the page', { url: '/socket', isUpgrade: true, headers: { origin: own } }, 200],
  [
    'a WebSocket of another page',
    { url: '/socket', isUpgrade: true, headers: { origin: 'http://localhost:3000' } },
    403,
  ],
  ['a WebSocket of nobody', { url: '/socket', isUpgrade: true }, 403],
  ['a token in the query', { url: '/?token=abc' }, 400],
  ['a code in the query', { url: '/?x=1&Code=AAAAA-BBBBB' }, 400],
  ['a signed token in the path', { url: '/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln' }, 400],
  ['a bootstrap token under any name', { url: '/?q=abcdef.0123456789abcdef' }, 400],
  ['an object with a long name', { url: '/api/objects/apps/v1/deployments/default/my-app.example.com' }, 200],
])('%s', (_, head, status) => {
  expect(statusOf(head)).toBe(status);
});
