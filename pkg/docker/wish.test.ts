/** What clients ask of a container is read whole, or refused. */
import { expect, test } from 'vitest';
import { commandOf } from './container-spec.ts';
import { containerWish } from './wish.ts';

/** Much of what Debian's client sends for `docker run` without flags: fields that say nothing. */
const plain = {
  Hostname: '',
  AttachStdin: false,
  ExposedPorts: {},
  Env: [],
  Cmd: null,
  Image: 'busybox',
  Volumes: {},
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: {
    Binds: null,
    ContainerIDFile: '',
    LogConfig: { Type: '', Config: {} },
    NetworkMode: 'default',
    PortBindings: {},
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    MemorySwappiness: -1,
    OomKillDisable: false,
    PidsLimit: 0,
    Ulimits: null,
    MaskedPaths: null,
    BlkioWeightDevice: [],
  },
  NetworkingConfig: { EndpointsConfig: {} },
};

test('a container without wishes has none', () => {
  expect(containerWish(plain)).toMatchObject({
    image: 'busybox',
    network: 'bridge',
    ports: [],
    mounts: [],
    limits: {},
    autoRemove: false,
    stopSeconds: 10,
  });
});

test('ports, mounts, limits and rights are read', () => {
  const HostConfig = {
    Binds: ['/srv:/data:ro', 'pages:/pages', '/anonymous'],
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }] },
    NanoCpus: 500_000_000,
    Memory: 1 << 20,
    CapAdd: ['CAP_NET_ADMIN'],
    SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'],
  };
  expect(containerWish({ ...plain, HostConfig })).toMatchObject({
    mounts: [
      { type: 'bind', source: '/srv', target: '/data', readOnly: true },
      { type: 'volume', source: 'pages', target: '/pages', readOnly: false },
      { type: 'volume', source: '', target: '/anonymous' },
    ],
    ports: [
      { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8080 },
      { protocol: 'udp', containerPort: 53, hostIp: '127.0.0.1', hostPort: 0 },
    ],
    limits: { cpuQuotaUs: 50_000, cpuPeriodUs: 100_000, memoryBytes: 1 << 20 },
    addCapabilities: ['NET_ADMIN'],
    noNewPrivileges: true,
    isUnconfined: true,
  });
});

test.each([
  ['an image that is not said', { Image: '' }, {}, 400, 'No image specified'],
  ['a health check', { Healthcheck: { Test: ['CMD', 'true'] } }, {}, 501, 'Healthcheck is not supported'],
  ['ulimits', {}, { Ulimits: [{ Name: 'nofile', Soft: 1 }] }, 501, 'HostConfig.Ulimits is not supported'],
  ['a restart policy', {}, { RestartPolicy: { Name: 'always' } }, 501, 'the restart policy always'],
  ['a network of its own', {}, { NetworkMode: 'shop' }, 501, 'NetworkMode shop'],
  ['a relative target', {}, { Binds: ['/srv:data'] }, 400, 'mount path must be absolute'],
  ['a volume that leads elsewhere', {}, { Binds: ['../srv:/data'] }, 400, 'includes invalid characters'],
  ['one place twice', {}, { Binds: ['/a:/data', '/b:/data'] }, 400, 'Duplicate mount point: /data'],
  ['a profile of its own', {}, { SecurityOpt: ['seccomp=/p.json'] }, 501, 'the security option seccomp'],
  ['a port that is none', {}, { PortBindings: { 'http/tcp': [{ HostPort: '' }] } }, 400, 'invalid port specification'],
  ['variables that are none', { Env: 'A=1' }, {}, 400, 'a list of texts is expected'],
])('%s is refused', (_, fields, host, status, message) => {
  const body = { ...plain, ...fields, HostConfig: { ...plain.HostConfig, ...host } };
  expect(() => containerWish(body)).toThrow(
    expect.objectContaining({ status, message: expect.stringContaining(message) }),
  );
});

test.each([
  ['nothing is said', {}, ['/entry', 'image']],
  ['a command is said', { Cmd: ['own'] }, ['/entry', 'own']],
  ['an entrypoint is said', { Entrypoint: ['/own'] }, ['/own']],
  ['both are said', { Entrypoint: ['/own'], Cmd: ['own'] }, ['/own', 'own']],
  ['the entrypoint is taken away', { Entrypoint: [''], Cmd: ['own'] }, ['own']],
])('what runs where %s', (_, fields, expected) => {
  const config = {
    entrypoint: ['/entry'],
    command: ['image'],
    environment: [],
    workingDirectory: '',
    user: '',
    labels: {},
    volumes: [],
  };
  const image = { id: '', tags: [], digests: [], sizeBytes: 0, architecture: 'amd64', config, diffIds: [] };
  expect(commandOf(containerWish({ ...plain, ...fields }), image)).toEqual(expected);
});
