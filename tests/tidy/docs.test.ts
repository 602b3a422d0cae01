/** What the documents beside the README say is there (fault 51). */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemErrors } from '#cmd/common/system-errors.ts';
import { readScript } from '#pkg/kubelet/runtime/fake/script.ts';
import { root } from './source-files.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const simulated = read('docs/simulated-pods.md');
const byHand = read('docs/by-hand.md');

test('every setting of simulated pods is documented, and every documented one is read (fault 51)', () => {
  const table = simulated.split('\n').filter((line) => line.startsWith('| `'));
  const documented = table.flatMap((line) =>
    [...line.split('|')[1]!.matchAll(/`([a-z.-]+)`/g)].map((match) => match[1]!),
  );
  const source = read('pkg/kubelet/runtime/fake/script.ts');
  const code = source.slice(source.indexOf('*/'));
  expect(documented.filter((name) => !code.includes(`'${name}'`))).toEqual([]);
  const quoted = [...code.matchAll(/(?:text|list|timeline|numbers?|durations?)\w*\('([a-z.-]+)'/g)].map(
    (match) => match[1]!,
  );
  expect(quoted.length).toBeGreaterThan(5);
  expect(quoted.filter((name) => !documented.includes(name))).toEqual([]);
});

test('the example of a simulated pod does what it says (fault 51)', () => {
  const annotations = Object.fromEntries(
    [...simulated.matchAll(/^ {4}(fake\.coxswain\.dev\/\S+): "?(.*?)"?$/gm)].map(([, key, value]) => [key, value]),
  ) as Record<string, string>;
  const first = readScript(annotations, { name: 'app', attempt: 0 });
  const second = readScript(annotations, { name: 'app', attempt: 1 });
  expect([first.runTimeMs, first.exitCode, second.runTimeMs]).toEqual([5_000, 1, Number.POSITIVE_INFINITY]);
  expect(first.readiness.map(({ fromMs, ok }) => [fromMs, ok])).toEqual([
    [0, false],
    [10_000, true],
  ]);
});

test('processes by hand have the flags that they are started with, and folders what they are said to have (fault 51)', () => {
  const commands = [...byHand.replaceAll('\\\n', ' ').matchAll(/^npx node cmd\/([a-z-]+)\/main\.ts (.*)$/gm)];
  expect(commands.map(([, name]) => name)).toEqual([
    'apiserver',
    'controller-manager',
    'scheduler',
    'kubelet',
    'kube-proxy',
    'cluster-dns',
  ]);
  for (const [, name = '', rest = ''] of commands) {
    const options = `${read(`cmd/${name}/options.ts`)} ${read('cmd/common/connection.ts')}`;
    const flags = [...rest.matchAll(/--([a-z-]+)/g)].map((match) => match[1]!);
    expect([name, flags.filter((flag) => !new RegExp(`(?:'${flag}'|\\b${flag}):`).test(options))]).toEqual([name, []]);
  }
  const folder = read('cmd/coxswain/folder.ts') + read('pkg/cluster/store-identity.ts');
  for (const name of ['cluster.json', 'kubeconfig', 'pki', 'store', 'store-id', 'run', 'logs'])
    expect([name, folder.includes(name) && byHand.includes(`\`${name}`)]).toEqual([name, true]);
  expect(existsSync(join(root, 'docs/by-hand.md'))).toBe(true);
  expect(read('cmd/coxswain/world.ts')).toContain('COXSWAIN_HOME');
});

test('every line about the system is documented, and every documented one is said', () => {
  const said = Object.entries(systemErrors).map(([key, line]) => [
    key,
    line({ port: 'PORT', path: 'PATH', code: key.split(' ')[0]! }),
  ]);
  const documented = [...read('docs/errors.md').matchAll(/^\| `(.+?)` \| (.+) \|$/gm)].map(([, key, line]) => [
    key,
    line,
  ]);
  expect(documented).toEqual(said);
});
