/** What layers become when they are unpacked, and what none of them can reach. */
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../digest.ts';
import { type SystemCalls, systemCalls } from '../host/system-calls.ts';
import { type ArchiveLine, archiveOf, streamOf } from '../testing/archives.ts';
import { contentsOf, noOverlay, noRoot, testFolder } from '../testing/folders.ts';
import { applyLayer } from './apply-layer.ts';

const pause = (): Promise<void> => Promise.resolve();

/** Layers one above the other, as overlay mounts want them: the folder of each, lowest first. */
async function unpackEach(folder: string, layers: readonly (readonly ArchiveLine[])[]): Promise<readonly string[]> {
  const calls = await systemCalls();
  const roots: string[] = [];
  for (const [index, lines] of layers.entries()) {
    const root = join(folder, String(index));
    mkdirSync(root);
    await applyLayer(
      streamOf(archiveOf(...lines)),
      { root, form: 'layer', lowers: [...roots].reverse(), calls },
      { pause },
    );
    roots.push(root);
  }
  return roots;
}

/** The same in one folder. */
async function unpackAll(folder: string, layers: readonly (readonly ArchiveLine[])[]): Promise<string> {
  const calls = await systemCalls();
  const root = join(folder, 'root');
  mkdirSync(root);
  for (const lines of layers)
    await applyLayer(streamOf(archiveOf(...lines)), { root, form: 'tree', lowers: [], calls }, { pause });
  return root;
}

/** What overlay mounts show of layers. */
async function withMount<T>(folder: string, roots: readonly string[], look: (root: string) => T): Promise<T> {
  const calls: SystemCalls = await systemCalls();
  for (const name of ['upper', 'work', 'merged']) mkdirSync(join(folder, name), { recursive: true });
  const target = join(folder, 'merged');
  const data = `lowerdir=${[...roots].reverse().join(':')},upperdir=${join(folder, 'upper')},workdir=${join(folder, 'work')}`;
  calls.mount({ kind: 'overlay', target, flags: 0, data });
  try {
    return look(target);
  } finally {
    calls.unmount(target);
  }
}

describe.skipIf(noRoot !== undefined)('a layer', () => {
  test('keeps owners, permissions, times, links, devices and attributes', async () => {
    const folder = testFolder();
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const lines: readonly ArchiveLine[] = [
      { kind: 'directory', path: './', mode: 0o750, uid: 5, gid: 6, modified: 1000 },
      { kind: 'directory', path: './tmp/', mode: 0o1777, modified: 2000 },
      ['tmp/in', 'text'],
      { path: 'bin/su', mode: 0o4755, uid: 1, gid: 2, size: 3, modified: 1234.5 },
      { kind: 'link', path: 'bin/sudo', target: './bin/su' },
      { kind: 'symlink', path: 'sbin', target: '/bin', uid: 7, gid: 8, modified: 77 },
      { kind: 'char', path: 'dev/null', mode: 0o666, device: { major: 1, minor: 3 } },
      { kind: 'block', path: 'dev/loop0', mode: 0o660, device: { major: 7, minor: 0 } },
      { kind: 'fifo', path: 'run/pipe', mode: 0o600 },
      {
        path: 'ping',
        attributes: new Map([
          ['security.capability', capability],
          ['trusted.overlay.opaque', Buffer.from('y')],
        ]),
      },
      { path: 'na\xc3\xafve', size: 1 },
    ];
    const archive = archiveOf(...lines);
    const calls = await systemCalls();
    const root = join(folder, 'root');
    mkdirSync(root);
    const applied = await applyLayer(streamOf(archive), { root, form: 'layer', lowers: [], calls }, { pause });
    expect(contentsOf(root)).toEqual([
      'bin/ 755',
      'bin/su 4755 1:2 (2) xxx',
      'bin/sudo 4755 1:2 (2) xxx',
      'dev/ 755',
      'dev/loop0 660 device 7:0',
      'dev/null 666 device 1:3',
      'naïve 644 x',
      'ping 644 ',
      'run/ 755',
      'run/pipe 600 other',
      'sbin -> /bin 7:8',
      'tmp/ 1777',
      'tmp/in 644 text',
    ]);
    expect(statSync(root)).toMatchObject({ uid: 5, gid: 6, mtimeMs: 1_000_000 });
    expect(statSync(join(root, 'tmp')).mtimeMs).toBe(2_000_000);
    expect(statSync(join(root, 'bin/su')).mtimeMs).toBe(1_234_500);
    expect(lstatSync(join(root, 'sbin')).mtimeMs).toBe(77_000);
    const ping = Buffer.from(join(root, 'ping'));
    expect(calls.attribute(ping, 'security.capability')).toEqual(capability);
    // What steers overlay mounts is not the image's.
    expect(calls.attribute(ping, 'trusted.overlay.opaque')).toBeUndefined();
    expect(applied).toMatchObject({ diffId: digestOf(archive), inodes: 12 });
  });

  test('keeps names that are no text', async () => {
    const [root = ''] = await unpackEach(testFolder(), [[{ path: 'no\xfftext', size: 1 }]]);
    expect(readdirSync(root, { encoding: 'latin1' })).toEqual(['no\xfftext']);
  });

  const base: readonly ArchiveLine[] = [
    { kind: 'directory', path: 'etc', mode: 0o711, uid: 3 },
    ['etc/a', '1'],
    ['etc/b', '1'],
    ['etc/sub/deep/c', '1'],
    ['file', '1'],
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    { kind: 'symlink', path: 'lib', target: 'usr/lib' },
    ['usr/lib/x', '1'],
  ];
  const below = [
    'etc/ 711 3:0',
    'etc/a 644 1',
    'etc/b 644 1',
    'etc/sub/ 755',
    'etc/sub/deep/ 755',
    'etc/sub/deep/c 644 1',
    'file 644 1',
    'lib -> usr/lib',
    'tmp/ 1777',
    'usr/ 755',
    'usr/lib/ 755',
    'usr/lib/x 644 1',
  ];
  const changed = (changes: Readonly<Record<string, readonly string[]>>): readonly string[] =>
    below.flatMap((line) => changes[line.split(' ')[0] ?? ''] ?? [line]);

  /** What the layer above `base` says, and what there is then, on overlay mounts and in one folder alike. */
  test.each<[string, readonly ArchiveLine[], readonly string[]]>([
    ['changes a file', [['etc/a', '2']], changed({ 'etc/a': ['etc/a 644 2'] })],
    ['takes a file away', [['etc/.wh.a', '']], changed({ 'etc/a': [] })],
    [
      'takes a folder away',
      [['etc/.wh.sub', '']],
      changed({ 'etc/sub/': [], 'etc/sub/deep/': [], 'etc/sub/deep/c': [] }),
    ],
    [
      'takes a folder away and makes it anew, whichever comes first',
      [
        ['etc/sub/new', '2'],
        ['etc/.wh.sub', ''],
      ],
      changed({ 'etc/sub/deep/': [], 'etc/sub/deep/c': ['etc/sub/new 644 2'] }),
    ],
    [
      'makes anew what it has taken away before',
      [
        ['etc/.wh.sub', ''],
        ['etc/sub/', ''],
        ['etc/sub/new', '2'],
      ],
      changed({ 'etc/sub/deep/': [], 'etc/sub/deep/c': ['etc/sub/new 644 2'] }),
    ],
    [
      'makes anew by what is in it what it has taken away before',
      [
        ['etc/.wh.sub', ''],
        ['etc/sub/new', '2'],
      ],
      changed({ 'etc/sub/deep/': [], 'etc/sub/deep/c': ['etc/sub/new 644 2'] }),
    ],
    [
      'empties a folder but for what it puts there itself',
      [
        ['etc/new', '2'],
        ['etc/.wh..wh..opq', ''],
        ['etc/later', '2'],
      ],
      changed({
        'etc/a': ['etc/later 644 2'],
        'etc/b': ['etc/new 644 2'],
        'etc/sub/': [],
        'etc/sub/deep/': [],
        'etc/sub/deep/c': [],
      }),
    ],
    [
      'spares what it has made itself',
      [
        ['etc/a', '2'],
        ['etc/.wh.a', ''],
      ],
      changed({ 'etc/a': ['etc/a 644 2'] }),
    ],
    [
      'takes nothing away where nothing is',
      [
        ['none/at/all/.wh.a', ''],
        ['.wh.none', ''],
      ],
      below,
    ],
    [
      'passes over what other file systems kept',
      [
        ['.wh..wh.plnk/1.2', ''],
        ['.wh..wh.aufs', ''],
      ],
      [...changed({})],
    ],
    [
      'keeps the permissions of folders that it says nothing of',
      [['tmp/new', '2']],
      changed({ 'tmp/': ['tmp/ 1777', 'tmp/new 644 2'] }),
    ],
    [
      'changes the permissions of folders',
      [{ kind: 'directory', path: 'tmp/', mode: 0o700 }],
      changed({ 'tmp/': ['tmp/ 700'] }),
    ],
    [
      'puts things where links below lead',
      [['lib/new', '2']],
      changed({ 'usr/lib/x': ['usr/lib/new 644 2', 'usr/lib/x 644 1'] }),
    ],
    [
      'puts a file in the place of a folder',
      [['etc/sub', '2']],
      changed({ 'etc/sub/': ['etc/sub 644 2'], 'etc/sub/deep/': [], 'etc/sub/deep/c': [] }),
    ],
    [
      'puts a folder in the place of a file',
      [
        ['file/', ''],
        ['file/new', '2'],
      ],
      changed({ file: ['file/ 755', 'file/new 644 2'] }),
    ],
    ['puts a folder in the place of a link', [['lib/', '']], changed({ lib: ['lib/ 755'] })],
    [
      'gives a file below a further name',
      [{ kind: 'link', path: 'etc/z', target: 'etc/a' }],
      changed({ 'etc/a': ['etc/a 644 (2) 1'], 'etc/sub/deep/c': ['etc/sub/deep/c 644 1', 'etc/z 644 (2) 1'] }),
    ],
    ['has a whiteout as a device', [{ kind: 'char', path: 'etc/a', mode: 0 }], changed({ 'etc/a': [] })],
    [
      'comes twice at one path',
      [
        ['file', '2'],
        ['file', '3'],
      ],
      changed({ file: ['file 644 3'] }),
    ],
  ])('%s', async (_, lines, expected) => {
    const folder = testFolder();
    const roots = await unpackEach(folder, [base, lines]);
    const mounted = noOverlay === undefined ? await withMount(folder, roots, (root) => contentsOf(root)) : expected;
    const inOne = contentsOf(await unpackAll(folder, [base, lines]));
    expect({ mounted, inOne }).toEqual({ mounted: expected, inOne: expected });
  });

  test('sees through all the layers below it', async () => {
    const folder = testFolder();
    const layers: readonly (readonly ArchiveLine[])[] = [
      base,
      [['etc/.wh.sub', '']],
      [['tmp/x', '2']],
      [
        ['etc/sub/', ''],
        ['tmp/y', '3'],
        ['etc/sub/deep/new', '3'],
      ],
    ];
    const expected = changed({
      'etc/sub/deep/c': ['etc/sub/deep/new 644 3'],
      'tmp/': ['tmp/ 1777', 'tmp/x 644 2', 'tmp/y 644 3'],
    });
    const roots = await unpackEach(folder, layers);
    if (noOverlay === undefined) expect(await withMount(folder, roots, (root) => contentsOf(root))).toEqual(expected);
    expect(contentsOf(await unpackAll(folder, layers))).toEqual(expected);
  });
});

describe.skipIf(noRoot !== undefined)('a layer cannot reach what is outside', () => {
  /** A file beside the root, and a link to it in the root. */
  async function attack(
    lines: readonly ArchiveLine[],
    form: 'layer' | 'tree',
  ): Promise<{ readonly outside: readonly string[]; readonly error: unknown }> {
    const folder = testFolder();
    mkdirSync(join(folder, 'outside'));
    writeFileSync(join(folder, 'outside/secret'), 'secret');
    const root = join(folder, 'root');
    mkdirSync(root);
    const calls = await systemCalls();
    const archive = archiveOf(
      { kind: 'symlink', path: 'way', target: '../outside' },
      { kind: 'symlink', path: 'whole', target: join(folder, 'outside') },
      ...lines,
    );
    const error = await applyLayer(streamOf(archive), { root, form, lowers: [], calls }, { pause }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { outside: contentsOf(join(folder, 'outside')), error };
  }

  test.each<[string, readonly ArchiveLine[]]>([
    ['by dots', [['../outside/new', '']]],
    ['by dots in the midst', [['a/../../outside/new', '']]],
    ['by an absolute path', [['/outside/new', '']]],
    ['by a hard link with dots', [{ kind: 'link', path: 'a', target: '../outside/secret' }]],
    ['by an absolute hard link', [{ kind: 'link', path: 'a', target: '/etc/passwd' }]],
    ['by a hard link through a link', [{ kind: 'link', path: 'a', target: 'way/secret' }]],
    ['by a whiteout of dots', [['.wh...', '']]],
    ['by a whiteout of the folder', [['.wh..', '']]],
    ['by a whiteout with dots', [['../outside/.wh.secret', '']]],
    [
      'by links in a circle',
      [{ kind: 'symlink', path: 'x', target: 'y' }, { kind: 'symlink', path: 'y', target: 'x' }, ['x/new', '']],
    ],
    [
      'below a file',
      [
        ['file', ''],
        ['file/new', ''],
      ],
    ],
    ['by a folder that is a hard link', [['folder/', ''], { kind: 'link', path: 'a', target: 'folder' }]],
    ['by a path without end', [['a/'.repeat(3000), '']]],
  ])('%s, and is refused', async (_, lines) => {
    for (const form of ['layer', 'tree'] as const)
      expect(await attack(lines, form)).toMatchObject({ outside: ['secret 644 secret'], error: { reason: 'damaged' } });
  });

  test.each<[string, readonly ArchiveLine[]]>([
    ['by a link', [['way/new', '2']]],
    ['by an absolute link', [['whole/new', '2']]],
    ['by a whiteout through a link', [['way/.wh.secret', '']]],
    ['by emptying what a link leads to', [['way/.wh..wh..opq', '']]],
    ['by a file in the place of a link', [['way', '2']]],
    [
      'by a link that is a file then',
      [{ kind: 'symlink', path: 'secret', target: '../outside/secret' }, ['secret', '2']],
    ],
    [
      'by a further name of a link',
      [
        { kind: 'symlink', path: 'secret', target: '../outside/secret' },
        { kind: 'link', path: 'a', target: 'secret' },
        { path: 'a', mode: 0o777 },
      ],
    ],
  ])('%s, and stays within', async (_, lines) => {
    for (const form of ['layer', 'tree'] as const)
      expect(await attack(lines, form)).toEqual({ outside: ['secret 644 secret'], error: undefined });
  });

  test('by links of the layers below', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'outside'));
    const [lower = '', root = ''] = [join(folder, 'lower'), join(folder, 'root')];
    mkdirSync(lower);
    mkdirSync(root);
    symlinkSync(join(folder, 'outside'), join(lower, 'way'));
    const calls = await systemCalls();
    await applyLayer(streamOf(archiveOf(['way/new', '2'])), { root, form: 'layer', lowers: [lower], calls }, { pause });
    expect(contentsOf(join(folder, 'outside'))).toEqual([]);
    expect(contentsOf(root).at(-1)).toMatch(/outside\/new 644 2$/);
  });
});
