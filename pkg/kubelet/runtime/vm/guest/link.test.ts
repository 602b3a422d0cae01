import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { issueAuthority, issueLeaf } from '#pkg/pki/certificate.ts';
import { peerProblem } from './link.ts';

const nowMs = Date.UTC(2026, 0, 1);
const authority = issueAuthority({ subject: { commonName: 'cluster' }, nowMs, validDays: 10 });
const other = issueAuthority({ subject: { commonName: 'cluster' }, nowMs, validDays: 10 });

function problem(commonName: string, { organizations = ['system:nodes'], by = authority, atMs = nowMs } = {}) {
  const leaf = issueLeaf(by, { subject: { commonName, organizations }, nowMs, validDays: 1, usage: 'client' });
  return peerProblem(new X509Certificate(leaf.certificate), {
    authority: new X509Certificate(authority.certificate),
    node: 'n1',
    nowMs: atMs,
  });
}

test('only the certificate of that node is taken for it', () => {
  expect(problem('system:node:n1')).toBeUndefined();
  expect(problem('system:node:n2')).toBe('it is the node "n2"');
  expect(problem('n1')).toBe('it is no node');
  expect(problem('system:node:n1', { organizations: ['people'] })).toBe('it is no node');
  expect(problem('system:node:n1', { by: other })).toBe('its certificate is not of this cluster');
  expect(problem('system:node:n1', { atMs: nowMs + 2 * 86_400_000 })).toBe('its certificate is not valid now');
});
