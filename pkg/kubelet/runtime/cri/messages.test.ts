/** What a runtime is told, read again by the numbers of the interface's fields. */
import { expect, test } from 'vitest';
import { FrameReader } from '#pkg/grpc/grpc-frames.ts';
import { Fields, framed } from '#pkg/grpc/message.ts';
import { makeContainerConfig, makeSandboxConfig } from '../../testing/configs.ts';
import type { SecurityContext } from '../container-config.ts';
import {
  containerStatusOf,
  imageDiskOf,
  pinnedImagesOf,
  runtimeStatusOf,
  sandboxesOf,
  sandboxStatusOf,
  usedImagesOf,
} from './answers.ts';
import { containerMarks, markedContainer, markedSandbox, sandboxMarks } from './marks.ts';
import { createRequest, runSandboxRequest } from './requests.ts';

const sandbox = makeSandboxConfig({ labels: { app: 'x' }, annotations: { note: 'n' }, sysctls: { 'kernel.a': '1' } });
const sandboxWish = { config: sandbox, logFolder: '/logs', ...sandboxMarks('node', sandbox) };

function read(framedMessage: Uint8Array): Fields {
  const [message] = new FrameReader().push(Buffer.from(framedMessage));
  return new Fields(message ?? Buffer.alloc(0));
}

/** A message's bytes, without what frames it. */
const body = (message: Uint8Array): Buffer => Buffer.from(message.subarray(5));

/** The security context of a container with this wish. */
function securityOf(security: SecurityContext, imageUser?: { readonly name: string }): Fields {
  const config = makeContainerConfig({ image: 'busybox', security });
  const wish = {
    ...{ config, namespaces: sandbox.namespaces, logPath: 'a', terminationLog: '/t', seccompFolder: '/profiles' },
    ...{ imageUser, labels: {}, annotations: {} },
  };
  return read(createRequest('s', wish, sandboxWish))
    .message(2)
    .message(15)
    .message(2);
}

test('a sandbox is told with its names, and is the same again by its marks', () => {
  const config = read(runSandboxRequest(sandboxWish)).message(1);
  expect([config.message(1).string(1), config.string(2), config.string(3)]).toEqual(['web', 'web', '/logs']);
  // Processes of their own for each container.
  expect(config.message(8).message(2).message(1).number(2)).toBe(1);
  expect(config.message(8).map(3).get('kernel.a')?.toString()).toBe('1');
  expect(sandboxWish.labels).toMatchObject({ 'io.kubernetes.pod.name': 'web', 'coxswain.dev/node': 'node', app: 'x' });
  expect(markedSandbox(sandboxWish)).toEqual(sandbox);
});

test('images are used by what they are called or by their ids, and pinned where the runtime says so', () => {
  const listed = framed((message) =>
    message.messages(1, ['sha256:1', 'sha256:2'], (id) => {
      message.message(4, () => message.string(1, `name-of-${id}`));
      message.string(5, id);
    }),
  );
  expect(usedImagesOf(body(listed))).toEqual(['name-of-sha256:1', 'sha256:1', 'name-of-sha256:2', 'sha256:2']);
  const images = framed((message) =>
    message.messages(1, [true, false], (isPinned) => {
      message.string(1, isPinned ? 'pinned' : 'other');
      message.flag(8, isPinned);
    }),
  );
  expect(pinnedImagesOf(body(images))).toEqual(['pinned']);
  const disk = framed((message) => message.message(1, () => message.message(2, () => message.string(1, '/images'))));
  expect([imageDiskOf(body(disk)), imageDiskOf(Buffer.alloc(0))]).toEqual(['/images', undefined]);
});

test('what others have made has no marks', () => {
  expect(markedSandbox({ labels: { app: 'x' }, annotations: {} })).toBeUndefined();
  expect(markedContainer({ 'coxswain.dev/container': 'no JSON' })).toBeUndefined();
});

test('what is kept of a container is there again', () => {
  const config = makeContainerConfig({ image: 'busybox', labels: { app: 'x' } });
  const kept = {
    ...{ image: 'busybox', imageRef: 'sha256:1', specHash: 'h', podUid: 'u', sandboxId: 's' },
    ...{ resources: { cpuShares: 2 }, files: '/logs/app/0' },
  };
  expect(markedContainer(containerMarks('node', { config, sandbox, kept }).annotations)).toEqual(kept);
});

test.each<[string, SecurityContext, (fields: Fields) => unknown, unknown]>([
  [
    'root is a user that was asked for',
    { runAsUser: 0 },
    (fields) => [fields.has(5), fields.message(5).number(1)],
    [true, 0],
  ],
  [
    'a group alone comes with the user of the image',
    { runAsGroup: 7 },
    (fields) => [fields.string(6), fields.message(12).number(1)],
    ['web', 7],
  ],
  [
    'nothing of /proc is hidden only where that was asked for',
    { isProcUnmasked: true },
    (fields) => fields.strings(13),
    [],
  ],
  [
    'a profile stays in the folder of profiles',
    { seccomp: { type: 'localhost', reference: '../../etc/passwd' } },
    (fields) => [fields.message(15).number(1), fields.message(15).string(2)],
    [2, '/profiles/etc/passwd'],
  ],
  [
    'capabilities',
    { addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
    (fields) => [fields.message(1).strings(1), fields.message(1).strings(2)],
    [['NET_ADMIN'], ['ALL']],
  ],
])('of a security context: %s', (_, security, look, expected) => {
  expect(look(securityOf(security, { name: 'web' }))).toEqual(expected);
});

test('what is masked is told even when nobody asks', () => {
  expect(securityOf({}).strings(13)).toContain('/proc/kcore');
});

test('answers are read, with times in nanoseconds', () => {
  const status = framed((message) =>
    message.message(1, () => {
      message.string(1, 'id');
      message.number(3, 2);
      message.number(5, 1_780_000_000_000_000_000);
      message.number(7, 137);
      message.string(10, 'OOMKilled');
    }),
  );
  expect(containerStatusOf(body(status))).toMatchObject({
    ...{ id: 'id', state: 'exited', startedAtMs: 1_780_000_000_000, exitCode: 137, reason: 'OOMKilled' },
  });
  expect(sandboxesOf(Buffer.alloc(0))).toEqual([]);
  const info = framed((message) => {
    message.map(2, [['info', '{"pid":12}']]);
    message.message(1, () =>
      message.message(5, () => {
        message.string(1, '192.0.2.1');
        message.messages(2, ['2001:db8::1'], (ip) => message.string(1, ip));
      }),
    );
  });
  expect(sandboxStatusOf(body(info))).toEqual({ addresses: ['192.0.2.1', '2001:db8::1'], pid: 12 });
  const conditions = framed((message) =>
    message.message(1, () =>
      message.messages(1, ['RuntimeReady', 'NetworkReady'], (type) => {
        message.string(1, type);
        message.flag(2, type === 'RuntimeReady');
        message.string(4, 'cni plugin not initialized');
      }),
    ),
  );
  const unmet = [{ type: 'NetworkReady', message: 'cni plugin not initialized' }];
  expect(runtimeStatusOf(body(conditions))).toEqual({ unmet, handlers: [] });
});

test.each<[string, string, string | undefined]>([
  [
    'a path of the OCI configuration',
    '{"pid":12,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/run/netns/x"}]}}}',
    '/run/netns/x',
  ],
  ["none where it is the machine's", '{"pid":12,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}', undefined],
  ['none where nothing is said', '{"pid":12,"runtimeSpec":{"linux":null}}', undefined],
  ['none in what is no document', 'no JSON', undefined],
  [
    'no path that begins nowhere',
    '{"runtimeSpec":{"linux":{"namespaces":[{"type":"network","path":"x"}]}}}',
    undefined,
  ],
])('the network namespace of a sandbox is %s', (_, info, path) => {
  const status = framed((message) => message.map(2, [['info', info]]));
  expect(sandboxStatusOf(body(status)).networkNamespace).toBe(path);
});

test('handlers are those that the runtime lists, or that containerd has in its configuration', () => {
  const listed = framed((message) => message.messages(3, ['', 'runc', 'kata'], (name) => message.string(1, name)));
  expect(runtimeStatusOf(body(listed)).handlers).toEqual(['kata', 'runc']);
  const config = JSON.stringify({ containerd: { runtimes: { runc: {}, crun: {} } } });
  const verbose = framed((message) => message.map(2, [['config', config]]));
  expect(runtimeStatusOf(body(verbose)).handlers).toEqual(['crun', 'runc']);
});

test('a sandbox is run by the handler that its pod names, else by the default', () => {
  expect(read(runSandboxRequest(sandboxWish)).string(2)).toBe('');
  const config = { ...sandbox, runtimeHandler: 'kata' };
  expect(read(runSandboxRequest({ ...sandboxWish, config })).string(2)).toBe('kata');
});
