/**
 * Images of programs that nobody here wrote: Debian's packages of nginx, redis and busybox, unpacked into folders from which `coxswain image build` makes images. Nothing in
 * them is the host's own.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandResult, run } from '#tests/e2e/running-cluster.ts';

const patienceMs = 300_000;

/** What nginx and redis are linked with. */
const libraries =
  'libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g libatomic1 libgcc-s1 libstdc++6 libjemalloc2 liblzf1 libsystemd0 libcap2 libgcrypt20 libgpg-error0 liblzma5 liblz4-1 libzstd1'.split(
    ' ',
  );

/** What postgresql and python are linked with besides, and what they read. */
const moreLibraries =
  'libxml2 libicu72 libpam0g libaudit1 libcap-ng0 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libcom-err2 libkrb5support0 libkeyutils1 libldap-2.5-0 libsasl2-2 libpq5 libreadline8 libtinfo6 libexpat1 libffi8 libuuid1 libbz2-1.0 libgnutls30 libnettle8 libhogweed6 libgmp10 libidn2-0 libunistring2 libp11-kit0 libtasn1-6 tzdata'.split(
    ' ',
  );

const busybox = ['busybox-static'];
const servers = [...libraries, 'nginx', 'nginx-common', 'redis-tools'];

const python = ['python3.11-minimal', 'libpython3.11-minimal', 'libpython3.11-stdlib'];

const programs = [...libraries, ...moreLibraries, ...busybox, ...['postgresql-15', 'postgresql-client-15'], ...python];

/** Makes the folders `busybox` and `debian` with the packages' files, and a Dockerfile for each image. Rejects with what apt says. */
export async function unpackDebian(folder: string): Promise<void> {
  await unpackAll(folder, { busybox, debian: servers });
  writeDockerfiles(folder);
}

/** Makes the folder `programs` besides, for images of postgresql (`--target postgres`) and python (`--target python`), both with busybox. */
export async function unpackPrograms(folder: string): Promise<void> {
  await unpackAll(folder, { programs });
  const base = ['FROM scratch AS base', 'COPY root /', 'RUN ["/bin/busybox", "--install", "-s", "/bin"]'];
  const path = 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin';
  const postgres = ['FROM base AS postgres', 'USER postgres', 'EXPOSE 5432', 'ENTRYPOINT ["postgres"]'];
  const python = ['FROM base AS python', 'USER nobody', 'ENTRYPOINT ["python3.11"]'];
  writeFileSync(join(folder, 'programs/Dockerfile'), [...base, path, ...postgres, ...python, ''].join('\n'));
}

/** Makes the folder `guestbook` besides, for images of redis (`--target redis`) and python (`--target python`). */
export async function unpackGuestbook(folder: string): Promise<void> {
  await unpackAll(folder, { guestbook: [...libraries, 'redis-tools', ...python, 'python3-minimal', 'libexpat1'] });
  const base = ['FROM scratch AS base', 'COPY root /', 'ENV PATH=/usr/bin'];
  const stages = [...base, 'FROM base AS redis', 'CMD ["redis-server"]', 'FROM base AS python', 'CMD ["python3"]', ''];
  writeFileSync(join(folder, 'guestbook/Dockerfile'), stages.join('\n'));
}

async function unpackAll(folder: string, sets: Readonly<Record<string, readonly string[]>>): Promise<void> {
  // A program of apt without rights writes there.
  chmodSync(folder, 0o755);
  for (const [name, packages] of Object.entries(sets)) {
    const packed = join(folder, `${name}.packages`);
    mkdirSync(packed);
    chmodSync(packed, 0o777);
    await download(packages, packed);
    await unpack(packed, join(folder, name, 'root'));
  }
}

async function download(packages: readonly string[], into: string): Promise<void> {
  const tried = await run('apt-get', ['-qq', 'download', ...packages], { cwd: into, timeoutMs: patienceMs });
  if (tried.code === 0) return;
  // Its lists may be older than what the archive has.
  ok('apt-get update', await run('apt-get', ['-qq', 'update'], { timeoutMs: patienceMs }));
  ok('apt-get', await run('apt-get', ['-qq', 'download', ...packages], { cwd: into, timeoutMs: patienceMs }));
}

/** Debian's merged /usr: the links are there before what goes through them. */
async function unpack(packed: string, root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  for (const name of readdirSync(packed)) {
    const leftOut = ['doc', 'man', 'locale'].map((one) => `--exclude=./usr/share/${one}/*`).join(' ');
    const pipe = `set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" --keep-directory-symlink --no-same-owner ${leftOut}`;
    ok(name, await run('bash', ['-c', pipe, 'bash', join(packed, name), root], { timeoutMs: patienceMs }));
  }
  for (const name of ['tmp', 'etc', 'run', 'var/lib/nginx', 'var/log/nginx', 'srv'])
    mkdirSync(join(root, name), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  const users = [
    'root:x:0:0:root:/root:/bin/sh',
    'nobody:x:65534:65534::/srv:/bin/sh',
    'redis:x:100:100::/srv:/bin/sh',
    'postgres:x:101:101::/srv:/bin/sh',
  ];
  writeFileSync(join(root, 'etc/passwd'), `${users.join('\n')}\n`);
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\nredis:x:100:\npostgres:x:101:\n');
  if (existsSync(join(root, 'usr/bin/redis-check-rdb')))
    symlinkSync('redis-check-rdb', join(root, 'usr/bin/redis-server'));
}

function writeDockerfiles(folder: string): void {
  const server = ['FROM scratch', 'COPY root /', 'ENV PATH=/usr/sbin:/usr/bin', 'EXPOSE 80 6379'];
  writeFileSync(
    join(folder, 'busybox/Dockerfile'),
    ['FROM scratch', 'COPY root /', 'RUN ["/bin/busybox", "--install", "-s", "/bin"]', 'ENV PATH=/bin', ''].join('\n'),
  );
  writeFileSync(
    join(folder, 'debian/Dockerfile'),
    [
      ...server.map((line) => (line.startsWith('FROM') ? `${line} AS base` : line)),
      'FROM base AS nginx',
      'STOPSIGNAL SIGQUIT',
      'ENTRYPOINT ["nginx", "-g", "daemon off;"]',
      'FROM base AS redis',
      'USER redis',
      'ENTRYPOINT ["redis-server", "--save", "", "--protected-mode", "no"]',
      '',
    ].join('\n'),
  );
}

function ok(what: string, { code, stdout, stderr }: CommandResult): void {
  if (code !== 0) throw new Error(`${what}: exit ${code}\n${stdout}${stderr}`);
}
