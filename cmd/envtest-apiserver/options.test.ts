import { expect, test } from 'vitest';
import { helpText } from '#pkg/component/flags.ts';
import { standInArguments, standInFlags } from './options.ts';

const controllerRuntime = [
  '--allow-privileged=true',
  '--authorization-mode=RBAC',
  '--bind-address=127.0.0.1',
  '--cert-dir=/certs',
  '--client-ca-file=/certs/client-cert-auth-ca.crt',
  '--disable-admission-plugins=ServiceAccount',
  '--etcd-servers=http://127.0.0.1:41001',
  '--secure-port=41003',
  '--service-account-issuer=https://127.0.0.1:41003/',
  '--service-account-key-file=/certs/sa-signer.crt',
  '--service-account-signing-key-file=/certs/sa-signer.key',
  '--service-cluster-ip-range=10.0.0.0/24',
];

test('takes the flags of controller-runtime', () => {
  expect(standInArguments(controllerRuntime)).toMatchObject({
    kind: 'run',
    values: {
      'authorization-mode': ['RBAC'],
      'cert-dir': '/certs',
      'etcd-servers': ['http://127.0.0.1:41001'],
      'secure-port': 41_003,
      'service-account-issuer': ['https://127.0.0.1:41003/'],
    },
  });
});

test('takes flags twice and apart from their values, as jenvtest gives them', () => {
  const args = [
    ...['--cert-dir', '/certs', '--secure-port', '41003', '--etcd-servers', 'http://0.0.0.0:41001'],
    ...['--service-account-issuer', 'https://localhost', '--service-account-issuer', '/certs/apiserver.crt'],
    ...['--disable-admission-plugins', 'ServiceAccount', '--allow-privileged'],
  ];
  expect(standInArguments(args)).toMatchObject({
    kind: 'run',
    values: { 'bind-address': '0.0.0.0', 'service-account-issuer': ['https://localhost', '/certs/apiserver.crt'] },
  });
});

test.each([
  [['--etcd-servers=http://127.0.0.1:1', '--no-such-flag'], 'unknown flag: --no-such-flag'],
  [
    ['--etcd-servers=http://127.0.0.1:1', '--insecure-port=0'],
    'unknown flag: --insecure-port (did you mean --secure-port?)',
  ],
  [['--oidc-issuer-url=https://x'], "the flag --oidc-issuer-url is upstream's and not built here"],
  [[], '--etcd-servers must be specified'],
  [['--etcd-servers=http://127.0.0.1:1', 'word'], 'unexpected argument: word'],
])('refuses %j', (args, message) => {
  expect(standInArguments(args)).toEqual({ kind: 'refused', message });
});

test('the help has no port without encryption, for which suites look', () => {
  const help = helpText(standInFlags, { usage: '', summary: '' });
  expect(help).toMatch(/^\s*--secure-port\b/m);
  expect(help).not.toMatch(/^\s*--insecure-port\b/m);
});
