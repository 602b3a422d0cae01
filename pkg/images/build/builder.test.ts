/** Images that are built: what is in them, that they are the same each time, and that steps are not taken twice. Commands are simulated: `echo text > /path`. */
import { appendFileSync, chmodSync, existsSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SystemRandom } from '#pkg/base/random.ts';
import { systemCalls } from '../host/system-calls.ts';
import type { StoredImage } from '../image-store.ts';
import { type LocalImages, openImageStore } from '../local/local-image-store.ts';
import { parseReference } from '../reference.ts';
import { archiveOf } from '../testing/archives.ts';
import { fakeRegistries } from '../testing/fake-registries.ts';
import { contentsOf, noOverlay, noRoot, testFolder } from '../testing/folders.ts';
import { HastyClock } from '../testing/hasty-clock.ts';
import { testImage, testPlatform } from '../testing/image-documents.ts';
import type { BuildRoot, RunBuildCommand } from './build-parts.ts';
import { type BuildOptions, buildImage } from './builder.ts';
import { ignoreFile } from './ignore.ts';

const base = testImage(
  [
    archiveOf(['etc/', ''], ['etc/passwd', 'app:x:7:8:::\n'], ['etc/group', 'team:x:9:\n'], ['usr/lib/', ''], {
      kind: 'symlink',
      path: 'lib',
      target: 'usr/lib',
    }),
  ],
  { config: { Env: ['PATH=/bin'], Cmd: ['sh'], ExposedPorts: { '80/tcp': {} } } },
);
const baseLines = [
  'etc/ 755',
  'etc/group 644 team:x:9:\n',
  'etc/passwd 644 app:x:7:8:::\n',
  'lib -> usr/lib',
  'usr/ 755',
  'usr/lib/ 755',
];

interface Workshop {
  readonly store: LocalImages;
  readonly context: string;
  /** Commands that were run. */
  readonly ran: string[];
  readonly build: (dockerfile: string, more?: Partial<BuildOptions>) => Promise<StoredImage>;
  readonly look: (image: StoredImage) => Promise<readonly string[]>;
}

async function workshop(): Promise<Workshop> {
  const folder = testFolder();
  const context = join(folder, 'context');
  mkdirSync(context);
  const registries = fakeRegistries();
  registries.add('docker.io/library/base:1', base);
  const calls = await systemCalls();
  const snapshotter = noOverlay === undefined ? 'overlay' : 'copy';
  const store = await openImageStore({
    folder: join(folder, 'images'),
    calls,
    clock: new HastyClock(),
    random: new SystemRandom(),
    platform: testPlatform,
    registries,
    snapshotter,
    isRoot: noRoot === undefined,
  });
  onTestFinished(() => store.releaseAll());
  const ran: string[] = [];
  const run: RunBuildCommand = async ({ path: root }, command) => {
    ran.push(JSON.stringify([command.arguments, command.environment, command.workingDirectory, command.user]));
    const [, text = '', path = ''] = /^echo (.*) > (\S+)$/.exec(command.arguments.at(-1) ?? '') ?? [];
    if (path === '') return 3;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    appendFileSync(join(root, path), text);
    return 0;
  };
  return {
    store,
    context,
    ran,
    async build(dockerfile, more = {}) {
      await using forBuild = await store.forBuild();
      return await buildImage({
        store: forBuild,
        calls,
        dockerfile,
        context,
        isIgnored: ignoreFile(''),
        references: [parseReference('built:1')],
        arguments: new Map(),
        target: undefined,
        platform: testPlatform,
        pull: async (reference) => void (await store.pull(reference)),
        run,
        output: () => {},
        modified: 0,
        signal: undefined,
        ...more,
      });
    },
    async look(image) {
      const key = `look ${image.id}`;
      const lines = contentsOf((await store.prepare(key, image.id)).path);
      await store.release(key);
      return lines;
    },
  };
}

/** `[path, contents]`; folders are made on the way. */
function write(context: string, ...files: readonly (readonly [string, string])[]): void {
  for (const [path, contents] of files) {
    mkdirSync(dirname(join(context, path)), { recursive: true });
    writeFileSync(join(context, path), contents);
  }
}

describe.skipIf(noRoot !== undefined)('what is copied', () => {
  test.each<[string, readonly string[]]>([
    ['COPY one /etc/', ['etc/ 755', 'etc/one 644 1']],
    ['COPY one /etc', ['etc/ 755', 'etc/one 644 1']],
    ['COPY one /new', ['new 644 1']],
    ['COPY one /new/', ['new/ 755', 'new/one 644 1']],
    ['COPY one two /new', ['new/ 755', 'new/one 644 1', 'new/two 644 2']],
    ['COPY t* o?e /new/', ['new/ 755', 'new/one 644 1', 'new/two 644 2']],
    [
      'COPY folder /new',
      ['new/ 755', 'new/deep/ 755', 'new/deep/three 644 3', 'new/link -> deep/three', 'new/tool 755 #!'],
    ],
    [
      'COPY folder/ /new/',
      ['new/ 755', 'new/deep/ 755', 'new/deep/three 644 3', 'new/link -> deep/three', 'new/tool 755 #!'],
    ],
    ['COPY ["one", "/with space"]', ['with space 644 1']],
    ['WORKDIR /work\nWORKDIR sub\nCOPY one .', ['work/ 755', 'work/sub/ 755', 'work/sub/one 644 1']],
    ['COPY --chown=5:6 --chmod=600 one /new/', ['new/ 600 5:6', 'new/one 600 5:6 1']],
    ['COPY --chown=app:team one /new', ['new 644 7:9 1']],
    // A layer names the folder itself, as other engines do not follow links of lower layers.
    ['COPY one /lib/', ['usr/ 755', 'usr/lib/ 755', 'usr/lib/one 644 1']],
    ['ADD files.tar.gz /new/', ['new/ 755', 'new/packed 640 1:2 x']],
    ['ADD one /new', ['new 644 1']],
    ['COPY files.tar.gz /etc/passwd', []],
    ['ARG where=a\nENV there=$where\nCOPY one /$there', ['a 644 1']],
  ])('%s', async (lines, expected) => {
    const { context, build, look } = await workshop();
    write(context, ['one', '1'], ['two', '2'], ['folder/deep/three', '3'], ['folder/tool', '#!']);
    chmodSync(join(context, 'folder/tool'), 0o755);
    symlinkSync('deep/three', join(context, 'folder/link'));
    const packed = archiveOf({ path: 'packed', mode: 0o640, uid: 1, gid: 2, size: 1 });
    writeFileSync(join(context, 'files.tar.gz'), gzipSync(packed));
    const image = await build(`FROM base:1\n${lines}`);
    const seen = await look(image);
    if (expected.length > 0)
      expect(seen.filter((line) => !baseLines.includes(line) || expected.includes(line))).toEqual(
        expect.arrayContaining([...expected]),
      );
    else expect(seen.find((line) => line.startsWith('etc/passwd'))).not.toContain('app:x');
  });

  test('from nothing, without a root', async () => {
    const { context, build, look } = await workshop();
    write(context, ['one', '1']);
    expect(await look(await build('FROM scratch\nCOPY one /a/b/'))).toEqual(['a/ 755', 'a/b/ 755', 'a/b/one 644 1']);
  });

  test('from other stages and images; only the stages that are needed are built', async () => {
    const { context, build, look, ran } = await workshop();
    write(context, ['one', '1']);
    const file = [
      'FROM base:1 AS first',
      'COPY one /out/',
      'FROM first AS second',
      'COPY one /more/',
      'FROM scratch AS unused',
      'RUN never > /x',
      'FROM scratch',
      'COPY --from=second /more /out /',
      'COPY --from=0 /out/one /zero',
      'COPY --from=base:1 /etc/passwd /',
      'COPY --from=first /lib /linked/',
    ].join('\n');
    expect(await look(await build(file))).toEqual([
      'linked/ 755',
      'one 644 1',
      'passwd 644 app:x:7:8:::\n',
      'zero 644 1',
    ]);
    expect(ran).toEqual([]);
    expect(await look(await build(file, { target: 'FIRST' }))).toContain('out/one 644 1');
  });

  test('what .dockerignore leaves out is not there', async () => {
    const { context, build, look } = await workshop();
    write(context, ['a.log', ''], ['b.txt', ''], ['deep/c.log', ''], ['deep/keep.log', '']);
    const isIgnored = ignoreFile('**/*.log\n!deep/keep.log');
    expect(await look(await build('FROM scratch\nCOPY . /', { isIgnored }))).toEqual([
      'b.txt 644 ',
      'deep/ 755',
      'deep/keep.log 644 ',
    ]);
    await expect(build('FROM scratch\nCOPY a.log /', { isIgnored })).rejects.toThrow(
      'line 2: a.log is not there, or left out by .dockerignore',
    );
  });

  test('nothing from outside of the context', async () => {
    const { context, build, look } = await workshop();
    write(context, ['in/one', '1']);
    writeFileSync(join(context, '..', 'secret'), 'secret');
    symlinkSync('../secret', join(context, 'way'));
    symlinkSync(join(context, '..'), join(context, 'whole'));
    for (const path of ['../secret', 'way', 'whole/secret', '/../secret', 'in/../../secret'])
      await expect(build(`FROM scratch\nCOPY ${path} /`), path).rejects.toThrow('is not there');
    // As a link it is the image's own affair.
    expect(await look(await build('FROM scratch\nCOPY . /'))).toEqual([
      'in/ 755',
      'in/one 644 1',
      expect.stringMatching(/^way -> /),
      expect.stringMatching(/^whole -> /),
    ]);
  });
});

describe.skipIf(noOverlay !== undefined)('commands', () => {
  test('run in what was made so far; what they change is a layer', async () => {
    const { build, look, ran } = await workshop();
    const image = await build(
      'FROM base:1\nARG A=1\nENV B=2\nWORKDIR /work\nUSER app\nRUN echo hi > /work/out\nSHELL ["/bin/bash", "-e"]\nRUN ["tool", "echo x > /y"]',
    );
    expect(await look(image)).toEqual(expect.arrayContaining(['work/ 755', 'work/out 644 hi', 'y 644 x']));
    expect(ran.map((one) => JSON.parse(one))).toEqual([
      [['/bin/sh', '-c', 'echo hi > /work/out'], ['A=1', 'PATH=/bin', 'B=2'], '/work', 'app'],
      [['tool', 'echo x > /y'], ['A=1', 'PATH=/bin', 'B=2'], '/work', 'app'],
    ]);
    await expect(build('FROM base:1\nRUN nonsense')).rejects.toMatchObject({
      reason: 'failed',
      message: 'Dockerfile, line 2: the command ended with 3',
    });
    await expect(build('FROM base:1\nRUN other', { run: undefined })).rejects.toMatchObject({ reason: 'unsupported' });
  });

  test('run once for what is the same, and again for what is not', async () => {
    const { context, build, ran, store } = await workshop();
    const file = 'FROM base:1\nCOPY one /one\nRUN echo a > /a\nRUN echo b > /b';
    write(context, ['one', '1']);
    const first = await build(file);
    utimesSync(join(context, 'one'), 5, 5);
    expect([(await build(file)).digests, ran.length]).toEqual([first.digests, 2]);
    await build(file.replace('echo b', 'echo c'));
    expect(ran.length).toBe(3);
    write(context, ['one', '2']);
    await build(file);
    expect(ran.length).toBe(5);
    // What builds have left is kept for the next, until images are pruned.
    await store.remove('built:1');
    await build(file);
    expect(ran.length).toBe(5);
    await store.prune({ all: true });
    await build(file);
    expect(ran.length).toBe(7);
  });
});

test.skipIf(noOverlay !== undefined)(
  'the same sources give the same digest, in another store at another time',
  async () => {
    const digests = new Set<string>();
    for (const time of [1_000, 2_000]) {
      const { context, build } = await workshop();
      write(context, ['b', '2'], ['a', '1'], ['deep/c', '3']);
      for (const path of ['a', 'b', 'deep/c', 'deep']) utimesSync(join(context, path), time, time);
      const image = await build('FROM base:1\nCOPY . /app/\nRUN echo x > /app/made\nLABEL a=1\nCMD ["run"]');
      for (const digest of image.digests) digests.add(digest);
    }
    expect(digests.size).toBe(1);
  },
);

/** The root that a killed build has left: all that is gone with its process is its pin. */
async function leftByKilled(store: LocalImages): Promise<BuildRoot> {
  await using killed = await store.forBuild();
  return await killed.prepare([]);
}

test.skipIf(noRoot !== undefined)(
  'what a build that was killed has left is taken away, and nothing of one at work',
  async () => {
    const { store } = await workshop();
    const left = await leftByKilled(store);
    await using atWork = await store.forBuild();
    await using root = await atWork.prepare([]);
    const ended: string[] = [];
    const end = (workPath: string): Promise<void> => Promise.resolve(void ended.push(workPath));
    await store.releaseLeft(end);
    await store.releaseLeft(end);
    expect(ended).toEqual([left.workPath]);
    expect(existsSync(dirname(left.workPath))).toBe(false);
    expect(existsSync(root.path)).toBe(true);
  },
);

test.skipIf(noRoot !== undefined)(
  'a root whose record cannot be read keeps no build from being released, and is gone when all are',
  async () => {
    const { store } = await workshop();
    const left = await leftByKilled(store);
    await using atWork = await store.forBuild();
    const damaged = dirname((await atWork.prepare([])).workPath);
    writeFileSync(join(damaged, 'root.json'), '');
    const ended: string[] = [];
    const end = async (workPath: string): Promise<void> => void ended.push(workPath);
    await store.releaseLeft(end);
    expect(ended).toEqual([left.workPath]);
    expect(existsSync(damaged)).toBe(true);
    const other = await atWork.prepare([]);
    await store.releaseAll(end);
    expect(ended).toEqual([left.workPath, other.workPath]);
    expect([damaged, dirname(left.workPath), dirname(other.workPath)].filter((path) => existsSync(path))).toEqual([]);
  },
);

test('the configuration is what the file says, on top of what the base says', async () => {
  const { build, store } = await workshop();
  const image = await build(
    'ARG TAG=1\nFROM base:$TAG\nARG VERSION=1\nENV A=1 B="2 3"\nENV A=$A$VERSION\nLABEL one=1\nEXPOSE 8080 53/udp\nVOLUME /data ["x"]\nUSER app\nSTOPSIGNAL SIGINT\nENTRYPOINT ["/app"]\nCMD --flag $A\nMAINTAINER me',
    { arguments: new Map([['VERSION', '9']]), run: undefined },
  );
  expect(image).toMatchObject({
    tags: ['docker.io/library/built:1'],
    architecture: 'amd64',
    config: {
      entrypoint: ['/app'],
      command: ['/bin/sh', '-c', '--flag $A'],
      environment: ['PATH=/bin', 'A=19', 'B=2 3'],
      user: 'app',
      labels: { one: '1' },
      stopSignal: 'SIGINT',
    },
  });
  const steps = await store.history('built:1');
  expect(steps[0]).toMatchObject({
    createdBy: 'MAINTAINER me',
    created: '1970-01-01T00:00:00.000Z',
    emptyLayer: true,
    sizeBytes: 0,
  });
});

test.each<[string, string]>([
  ['FROM none:1', 'none:1: not found'],
  ['FROM $NONE', 'line 1: $NONE names no image'],
  ['FROM scratch\nCOPY none /', 'line 2: none is not there'],
  ['FROM scratch\nCOPY one', 'line 2: COPY is to be files and where they go'],
  ['FROM scratch\nADD https://x/y /', 'line 2: ADD of addresses is not built here'],
  ['FROM scratch\nSHELL sh', 'line 2: SHELL is to be a list in JSON'],
  ['FROM scratch\nENV A', 'line 2: a name without a value'],
])('%j is refused', async (dockerfile, message) => {
  const { build } = await workshop();
  await expect(build(dockerfile)).rejects.toThrow(message);
});
