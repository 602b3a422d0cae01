/** Audit as flags say: what is read, opened and refused before a server begins. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { silentLogger } from '#pkg/base/logger.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { serverFlagValues } from '../server-flags.ts';
import { openAudit } from './audit.ts';

const folder = mkdtempSync(join(tmpdir(), 'audit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const deps = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLogger };
const policy = join(folder, 'policy.yaml');
writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n');

function open(flags: Readonly<Record<string, string>>) {
  return openAudit(serverFlagValues({ 'kube-apiserver': flags }), deps);
}

test('without a policy, or with nowhere to send events to, nothing is audited', async () => {
  expect(await open({})).toBeUndefined();
  expect(await open({ 'audit-log-path': join(folder, 'none.log') })).toBeUndefined();
  expect(await open({ 'audit-policy-file': policy })).toBeUndefined();
});

test('events are lines of the file, in a folder that is made for it, which nobody else can read', async () => {
  const path = join(folder, 'new', 'audit.log');
  const audit = await open({ 'audit-policy-file': policy, 'audit-log-path': path });
  for (const json of ['{"a":1}', '{"b":2}'])
    audit?.sink.record({ json, isFirst: false, isHeld: false, truncated: () => undefined });
  await audit?.end();
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":2}\n');
});

test.each([
  [
    { 'audit-policy-file': join(folder, 'no.yaml') },
    /^Cannot read the file of --audit-policy-file: .*no\.yaml \(ENOENT\)$/,
  ],
  [
    { 'audit-policy-file': policy, 'audit-log-path': join(policy, 'audit.log') },
    /^Cannot write the file of --audit-log-path: .* \((ENOTDIR|EEXIST)\)$/,
  ],
  [
    { 'audit-policy-file': policy, 'audit-webhook-config-file': join(folder, 'no.conf') },
    /^Cannot read the file of --audit-webhook-config-file: .*no\.conf \(ENOENT\)$/,
  ],
  [
    { 'audit-policy-file': policy, 'audit-webhook-config-file': policy },
    /^Cannot use the file of --audit-webhook-config-file: .*policy\.yaml is no kubeconfig$/,
  ],
  [
    {
      'audit-policy-file': policy,
      'audit-log-path': '-',
      'audit-log-truncate-enabled': 'true',
      'audit-log-truncate-max-batch-size': '10',
    },
    /^Cannot use --audit-log-truncate-max-batch-size=10: it must be at least/,
  ],
])('flags %j are refused in one line', async (flags, message) => {
  await expect(open(flags)).rejects.toThrow(message);
});

test('a flag that there is not, or a value that it does not take, is refused', () => {
  const set = (flags: Readonly<Record<string, string>>) => () => serverFlagValues({ 'kube-apiserver': flags });
  expect(set({ 'audit-log-mode': 'sometimes' })).toThrow('must be one of batch, blocking, blocking-strict');
  expect(set({ 'audit-log-maxsize': '0' })).toThrow('must be a whole number from 1');
  expect(set({ 'audit-polcy-file': 'x' })).toThrow(/^kube-apiserver: /);
});
