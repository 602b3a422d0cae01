import { expect, test } from 'vitest';
import { etcdArguments, etcdHelp } from './options.ts';

test.each([
  [
    'those of controller-runtime',
    [
      '--advertise-client-urls=http://127.0.0.1:41001',
      '--data-dir=/data',
      '--listen-client-urls=http://127.0.0.1:41001',
      '--listen-peer-urls=http://127.0.0.1:41002',
      '--unsafe-no-fsync=true',
    ],
    { dataDir: '/data', clientUrls: ['http://127.0.0.1:41001'], waitsForDisk: false },
  ],
  [
    'those of jenvtest, with one dash and values of their own',
    ['-data-dir', '/data', '-wal-dir', '/wal', '--listen-client-urls', 'http://0.0.0.0:41001', '--unsafe-no-fsync'],
    { dataDir: '/data', clientUrls: ['http://0.0.0.0:41001'], waitsForDisk: false },
  ],
  ['none: as etcd itself', [], { dataDir: 'default.etcd', clientUrls: ['http://localhost:2379'], waitsForDisk: true }],
  [
    'a name, which names the folder, and a switch that is off',
    ['--name', 'm1', '--unsafe-no-fsync=false'],
    { dataDir: 'm1.etcd', clientUrls: ['http://localhost:2379'], waitsForDisk: true },
  ],
])('takes %s', (_what, args, options) => {
  expect(etcdArguments(args)).toEqual({ kind: 'run', options });
});

test.each([
  [['--no-such-flag'], 'flag provided but not defined: -no-such-flag'],
  [['--data-dir'], 'flag needs an argument: -data-dir'],
  [['folder'], '"folder" is not a valid flag'],
  [
    ['--listen-client-urls=https://127.0.0.1:1'],
    'Cannot listen at "https://127.0.0.1:1" of --listen-client-urls: it must be http://ADDRESS:PORT',
  ],
])('refuses %j', (args, message) => {
  expect(etcdArguments(args)).toEqual({ kind: 'refused', message });
});

test('the help has each flag at the head of a line, where suites look for it', () => {
  expect(etcdHelp()).toMatch(/^\s*--unsafe-no-fsync\b/m);
});
