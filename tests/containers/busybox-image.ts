/** An image of Debian's busybox-static: its program and its links, in a folder, an archive of two layers and a layout. Nothing of the host else is in it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { digestOf } from '#pkg/images/digest.ts';
import { type NewTarEntry, tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';

/** Where the package puts its program. */
const program = '/bin/busybox';

/** Why there is no image; undefined where there is. */
export const noBusybox: string | undefined =
  spawnSync(program, ['true']).status === 0 ? undefined : 'there is no busybox-static';

const links = ['cat', 'chmod', 'echo', 'id', 'ls', 'mkdir', 'mount', 'nc', 'rm', 'sh', 'sleep', 'stat', 'tar', 'wget'];

/** Layers without compression: the program, and what an application adds and takes away. */
export function busyboxLayers(): readonly Buffer[] {
  const folder = (path: string, mode = 0o755): NewTarEntry => ({ kind: 'directory', path: `${path}/`, mode });
  const base = [
    ...['bin', 'etc', 'dev', 'proc', 'sys', 'root'].map((path) => tarFile(folder(path), '')),
    tarFile(folder('tmp', 0o1777), ''),
    tarFile({ path: 'bin/busybox', mode: 0o755 }, readFileSync(program)),
    ...links.map((name) => tarFile({ kind: 'symlink', path: `bin/${name}`, target: 'busybox' }, '')),
    tarFile({ path: 'etc/passwd' }, 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n'),
    tarFile({ path: 'etc/unwanted' }, 'x'),
    tarEnd(),
  ];
  const application = [
    tarFile({ path: 'etc/greeting', uid: 65534, gid: 65534, mode: 0o640 }, 'hello\n'),
    tarFile({ path: 'etc/.wh.unwanted' }, ''),
    tarFile({ path: 'tmp/note' }, ''),
    tarEnd(),
  ];
  return [Buffer.concat(base), Buffer.concat(application)];
}

/** Writes an archive as `docker save` does, with the first layer compressed. */
export function writeBusyboxArchive(path: string, name: string): void {
  const [base = Buffer.alloc(0), application = Buffer.alloc(0)] = busyboxLayers();
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Cmd: ['/bin/cat', '/etc/greeting'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(base), digestOf(application)] },
    }),
  );
  const configName = `${digestOf(config).slice(7)}.json`;
  const manifest = [{ Config: configName, RepoTags: [name], Layers: ['base/layer.tar', 'link/layer.tar'] }];
  const parts = [
    tarFile({ path: 'base/layer.tar' }, gzipSync(base)),
    // As engines write a layer that is in the archive already.
    tarFile({ kind: 'symlink', path: 'link/layer.tar', target: '../application/layer.tar' }, ''),
    tarFile({ path: 'application/layer.tar' }, application),
    tarFile({ path: configName }, config),
    tarFile({ path: 'manifest.json' }, JSON.stringify(manifest)),
    tarEnd(),
  ];
  writeFileSync(path, Buffer.concat(parts));
}
