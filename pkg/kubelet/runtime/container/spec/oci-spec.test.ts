import { describe, expect, test } from 'vitest';
import { makeContainerConfig, makeSandboxConfig } from '../../../testing/configs.ts';
import type { ContainerConfig, SandboxConfig } from '../../container-config.ts';
import { capabilitiesOf, containerCapabilities } from './capabilities.ts';
import { deviceNumbers } from './devices.ts';
import { type MachineFacts, ociSpec, type SpecOptions } from './oci-spec.ts';
import { kernelPageSize, ociResources } from './resources.ts';
import { defaultSeccomp, seccompOf } from './seccomp.ts';
import { containerUser } from './users.ts';

const machine: MachineFacts = {
  cgroups: 'hybrid',
  architecture: 'x64',
  capabilities: capabilitiesOf('000001fffeffffff'),
  oomScoreMin: 0,
  hasAppArmor: false,
  devices: [{ hostPath: '/dev/fuse', kind: 'c', number: 10 * 256 + 229, mode: 0o20666, uid: 0, gid: 0 }],
};

interface Wish {
  readonly container?: Partial<ContainerConfig>;
  readonly sandbox?: Partial<SandboxConfig>;
  readonly rest?: Partial<SpecOptions>;
}

function spec({ container, sandbox, rest }: Wish = {}) {
  return ociSpec({
    sandbox: makeSandboxConfig(sandbox),
    container: makeContainerConfig({ image: 'busybox', ...container }),
    image: {
      entrypoint: ['/entry'],
      command: ['serve'],
      environment: ['PATH=/bin', 'MODE=image'],
      workingDirectory: '/work',
      user: '',
      labels: {},
      volumes: [],
    },
    user: { uid: 0, gid: 0, groups: [0], home: '/root' },
    machine,
    namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts' },
    rootPath: '/root-of-it',
    cgroupsPath: '/coxswain/pod/c',
    files: {
      hostname: '/f/hostname',
      resolvConf: '/f/resolv.conf',
      shm: '/f/shm',
      terminationLog: { hostPath: '/f/log', containerPath: '/dev/termination-log' },
    },
    devices: [],
    ...rest,
  });
}

describe('what a container runs', () => {
  test.each([
    [{}, ['/entry', 'serve']],
    [{ args: ['x'] }, ['/entry', 'x']],
    [{ command: ['/own'] }, ['/own']],
    [{ command: ['/own'], args: ['x'] }, ['/own', 'x']],
  ])('is its command and arguments, else those of the image: %j', (container, args) => {
    expect(spec({ container }).process.args).toEqual(args);
  });

  test('has the environment of the image under that of the pod, and a home', () => {
    expect(spec({ container: { env: { MODE: 'pod' }, tty: true } }).process.env).toEqual([
      'PATH=/bin',
      'TERM=xterm',
      'MODE=pod',
      'HOME=/root',
    ]);
  });

  test('has the working directory of the image where the pod names none', () => {
    expect([spec().process.cwd, spec({ container: { workingDir: '/tmp' } }).process.cwd]).toEqual(['/work', '/tmp']);
  });

  test('gets no score below what this machine may give', () => {
    const container = { resources: { oomScoreAdjustment: -998 } };
    expect(spec({ container }).process.oomScoreAdj).toBe(0);
    expect(spec({ container: { resources: { oomScoreAdjustment: 985 } } }).process.oomScoreAdj).toBe(985);
  });

  test('has an error of its own where there is nothing to run', () => {
    const image = {
      entrypoint: [],
      command: [],
      environment: [],
      workingDirectory: '',
      user: '',
      labels: {},
      volumes: [],
    };
    expect(() => spec({ rest: { image } })).toThrow('no command specified');
  });
});

describe('what a container is shut off from', () => {
  test('are the processes of others, unless the pod or the node shares them', () => {
    const kinds = (pid: 'container' | 'node' | 'pod', path?: string) =>
      spec({
        sandbox: { namespaces: { network: 'pod', ipc: 'pod', user: 'node', pid } },
        rest: { namespaces: { ipc: '/ns/ipc', ...(path === undefined ? {} : { pid: path }) } },
      }).linux.namespaces.filter(({ type }) => type === 'pid');
    expect(kinds('container')).toEqual([{ type: 'pid' }]);
    expect(kinds('node')).toEqual([]);
    expect(kinds('pod', '/proc/7/ns/pid')).toEqual([{ type: 'pid', path: '/proc/7/ns/pid' }]);
  });

  test('has a cgroup namespace where there is one hierarchy', () => {
    const types = (cgroups: MachineFacts['cgroups']) =>
      spec({ rest: { machine: { ...machine, cgroups } } }).linux.namespaces.map(({ type }) => type);
    expect(types('v2')).toContain('cgroup');
    expect(types('hybrid')).not.toContain('cgroup');
  });

  test('are devices, and the parts of /proc that tell of the machine', () => {
    const { linux } = spec();
    expect(linux.resources.devices).toEqual([{ allow: false, access: 'rwm' }]);
    expect(linux.maskedPaths).toContain('/proc/kcore');
    expect(linux.readonlyPaths).toContain('/proc/sys');
    expect(spec({ container: { security: { isProcUnmasked: true } } }).linux.maskedPaths).toEqual([]);
  });

  test('is nothing where it is privileged', () => {
    const { linux, mounts, process } = spec({
      container: { security: { privileged: true, seccomp: { type: 'runtimeDefault' } } },
    });
    expect(linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
    expect(linux.devices).toEqual([
      { path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 },
    ]);
    expect([linux.seccomp, linux.maskedPaths, linux.readonlyPaths]).toEqual([undefined, [], []]);
    expect(mounts.find(({ destination }) => destination === '/sys')?.options).toContain('rw');
    // This machine has not SYS_RESOURCE, so nobody can be given it.
    expect(process.capabilities.bounding).not.toContain('CAP_SYS_RESOURCE');
    expect(process.capabilities.bounding).toContain('CAP_SYS_ADMIN');
  });
});

describe('capabilities', () => {
  const names = (security: ContainerConfig['security']) =>
    containerCapabilities(security, machine.capabilities).bounding;

  test('are the usual fourteen', () => {
    expect(names({})).toHaveLength(14);
  });

  test('are added and dropped by name, and dropped before they are added', () => {
    expect(names({ addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] })).toEqual(['CAP_NET_ADMIN']);
    expect(names({ dropCapabilities: ['CHOWN'] })).not.toContain('CAP_CHOWN');
    expect(names({ addCapabilities: ['ALL'], dropCapabilities: ['SYS_ADMIN'] })).not.toContain('CAP_SYS_ADMIN');
  });
});

describe('users', () => {
  const files = {
    passwd: 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/sh\n',
    group: 'root:x:0:\nweb:x:34:\nmedia:x:50:root,web\n',
  };
  test.each([
    ['', {}, { uid: 0, gid: 0, groups: [0, 50], home: '/root' }],
    ['web', {}, { uid: 33, gid: 34, groups: [34, 50], home: '/var/www' }],
    ['33:media', {}, { uid: 33, gid: 50, groups: [50], home: '/var/www' }],
    ['1000', {}, { uid: 1000, gid: 0, groups: [0], home: '/' }],
    ['web', { runAsUser: 5 }, { uid: 5, gid: 0, groups: [0], home: '/' }],
    ['web', { runAsGroup: 9, supplementalGroups: [7] }, { uid: 33, gid: 9, groups: [9, 50, 7], home: '/var/www' }],
    ['web', { supplementalGroupsPolicy: 'strict' as const }, { uid: 33, gid: 34, groups: [34], home: '/var/www' }],
  ])('of image user %j with %j', (imageUser, wish, user) => {
    expect(containerUser({ imageUser, ...wish }, files)).toEqual(user);
  });

  test('that the image does not have are an error', () => {
    expect(() => containerUser({ imageUser: 'nobody' }, files)).toThrow('unable to find user nobody');
  });
});

describe('seccomp', () => {
  const subject = { architecture: 'x64', capabilities: ['CAP_SYS_CHROOT'] };
  const isAllowed = (name: string, capabilities = subject.capabilities) =>
    defaultSeccomp({ ...subject, capabilities }).syscalls.some(
      ({ names, action, args }) => names.includes(name) && action === 'SCMP_ACT_ALLOW' && args === undefined,
    );

  test('allows the usual, and the rest with the capability that it needs', () => {
    expect(['read', 'clone', 'mount', 'chroot', 'keyctl', 'arch_prctl'].map((name) => isAllowed(name))).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
    expect(isAllowed('mount', ['CAP_SYS_ADMIN'])).toBe(true);
  });

  test('is absent unless asked for', () => {
    expect(spec().linux.seccomp).toBeUndefined();
    expect(
      spec({ container: { security: { seccomp: { type: 'runtimeDefault' } } } }).linux.seccomp?.defaultAction,
    ).toBe('SCMP_ACT_ERRNO');
  });

  test('of a file has the rules that are for this machine and container', () => {
    const text = JSON.stringify({
      defaultAction: 'SCMP_ACT_ERRNO',
      archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ALLOW' },
        { names: ['chroot'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_CHROOT'] } },
        { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
        { names: ['clone3'], action: 'SCMP_ACT_ERRNO', excludes: { arches: ['amd64'] } },
      ],
    });
    expect(seccompOf(text, subject)).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
      syscalls: [
        { names: ['read'], action: 'SCMP_ACT_ALLOW' },
        { names: ['chroot'], action: 'SCMP_ACT_ALLOW' },
      ],
    });
  });
});

describe('mounts', () => {
  const find = (container: Partial<ContainerConfig>, path: string) =>
    spec({ container }).mounts.filter(({ destination }) => destination === path);

  test('of the pod take the place of the usual ones', () => {
    const mount = { containerPath: '/dev/shm', hostPath: '/v', readOnly: false };
    expect(find({ mounts: [mount] }, '/dev/shm')).toEqual([
      { destination: '/dev/shm', type: 'bind', source: '/v', options: ['rbind', 'rprivate', 'rw'] },
    ]);
  });

  test('are made from the outside in', () => {
    const volume = (containerPath: string) => ({ containerPath, hostPath: '/v', readOnly: false });
    const paths = spec({ container: { mounts: [volume('/data/in'), volume('/data')] } }).mounts.map(
      ({ destination }) => destination,
    );
    expect(paths.slice(-2)).toEqual(['/data', '/data/in']);
  });

  test('say who sees what is mounted later, and what cannot be written', () => {
    const mount = { containerPath: '/m', hostPath: '/v', readOnly: true, propagation: 'bidirectional' as const };
    expect(find({ mounts: [{ ...mount, recursiveReadOnly: true }] }, '/m')[0]?.options).toEqual([
      'rbind',
      'rshared',
      'ro',
      'rro',
    ]);
    expect(spec({ container: { mounts: [mount] } }).linux.rootfsPropagation).toBe('rshared');
  });
});

test('limits are those of the kernel', () => {
  expect(
    ociResources({
      cpuShares: 102,
      cpuQuotaUs: 5000,
      cpuPeriodUs: 100_000,
      memoryLimitBytes: 1024,
      pidsMax: 10,
      hugepageLimits: { '2Mi': 4 },
      cpusetCpus: '0-1',
    }),
  ).toEqual({
    cpu: { shares: 102, quota: 5000, period: 100_000, cpus: '0-1' },
    memory: { limit: 1024 },
    pids: { limit: 10 },
    hugepageLimits: [{ pageSize: '2MB', limit: 4 }],
  });
  expect([kernelPageSize('1Gi'), kernelPageSize('1024Mi'), kernelPageSize('64Ki')]).toEqual(['1GB', '1GB', '64KB']);
});

test('device numbers are those of the C library', () => {
  expect(deviceNumbers(8 * 256 + 1)).toEqual({ major: 8, minor: 1 });
  expect(deviceNumbers(0x1234567)).toEqual({ major: 0x345, minor: 0x1267 });
});

describe("users of a pod's own", () => {
  const own = {
    sandbox: { namespaces: { network: 'pod', pid: 'container', ipc: 'pod', user: 'pod' } },
    rest: { userBase: 131_072, namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts', user: '/ns/user' } },
  } as const satisfies Wish;

  test('are a range of others outside, of the namespace that the pod has', () => {
    const { linux } = spec(own);
    const all = [{ containerID: 0, hostID: 131_072, size: 65_536 }];
    expect([linux.uidMappings, linux.gidMappings]).toEqual([all, all]);
    expect(linux.namespaces).toContainEqual({ type: 'user', path: '/ns/user' });
    expect(spec().linux.uidMappings).toBeUndefined();
  });

  test("see the kernel as the machine does where the network is the machine's", () => {
    const systemOf = (wish: Wish) => spec(wish).mounts.find(({ destination }) => destination === '/sys')?.type;
    const { network: _, ...others } = own.rest.namespaces;
    expect([systemOf(own), systemOf({ ...own, rest: { ...own.rest, namespaces: others } }), systemOf({})]).toEqual([
      ...['sysfs', 'bind', 'sysfs'],
    ]);
  });
});
