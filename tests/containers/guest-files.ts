/** The first file system of a guest of QEMU's: busybox, modules of the kernel that it begins with, and what it does with them, as an archive of cpio. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What the guest needs before it sees the machine's files, and what containers need of the kernel. */
const modulesNeeded: readonly string[] = [
  ...['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'loop'],
  // Modules ask for its algorithm by name.
  'crc32c_generic',
  ...['veth', 'bridge', 'tun', 'nf_tables', 'nft_chain_nat', 'nft_masq', 'nft_ct', 'nf_conntrack'],
];

/** A module with all that it depends on, which come first. */
function withNeeded(name: string, known: ReadonlyMap<string, string>, into: Map<string, string>): void {
  const path = known.get(name);
  if (path === undefined || into.has(name)) return;
  const [, depends = ''] = /\0depends=([^\0]*)\0/.exec(readFileSync(path, 'latin1')) ?? [];
  for (const one of depends.split(',')) if (one !== '') withNeeded(plain(one), known, into);
  into.set(name, path);
}

const plain = (name: string): string => name.replaceAll('-', '_');

/** Paths of the modules that the guest loads, in the order in which it does. Throws where there are none: those of other distributions may be compressed. */
export function guestModules(folder: string): readonly string[] {
  const known = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.name.endsWith('.ko')) known.set(plain(basename(entry.name, '.ko')), join(entry.parentPath, entry.name));
  const found = new Map<string, string>();
  for (const name of modulesNeeded) withNeeded(name, known, found);
  if (!found.has('9p')) throw new Error(`Cannot start a guest as there is no module 9p.ko in ${folder}`);
  return [...found.values()];
}

/** A file of the archive; a folder where it has no bytes. */
interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly bytes?: Uint8Array;
}

const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

/** Source: cpio(5), "New ASCII Format". */
function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts = [...entries, { path: 'TRAILER!!!', mode: 0 }].flatMap(
    ({ path, mode, bytes = new Uint8Array() }: CpioEntry, index) => {
      const fields = [index + 1, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, path.length + 1, 0];
      const header = `070701${fields.map((one) => one.toString(16).padStart(8, '0')).join('')}${path}\0`;
      return [padded(Buffer.from(header, 'latin1')), padded(bytes)];
    },
  );
  return Buffer.concat(parts);
}

/** What the guest does first: it puts a file system of its memory over the machine's files, which it only reads, and goes on there. */
const beginning = (modules: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /bin /proc /sys /dev /host /upper /guest
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
${modules.map((path) => `insmod /modules/${basename(path)} || echo "no module ${basename(path)}"`).join('\n')}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro host /host
mount -t tmpfs -o mode=755 memory /upper
mkdir /upper/changes /upper/work
mount -t overlay -o lowerdir=/host,upperdir=/upper/changes,workdir=/upper/work files /guest
mkdir -p /guest/mnt/host
mount --move /host /guest/mnt/host
cp /begin /guest/begin
exec switch_root /guest /bin/sh /begin
`;

const kept = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** What it does then: cgroups of version 2 alone, and the command. Its end is told on the console. */
const going = ({ command, cwd, environment, overlay }: GuestWork): string => `
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o ptmxmode=666,mode=620 pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t securityfs security /sys/kernel/security
echo '+cpu +cpuset +io +memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
${overlay === undefined ? '' : `cp -a /mnt/host${overlay}/. /`}
ip link set lo up
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp ${environment.map(kept).join(' ')}
cd ${kept(cwd)}
${command.map(kept).join(' ')}
echo "GUEST ENDED $?"
/bin/busybox poweroff -f
`;

/** What a guest is for. */
export interface GuestWork {
  readonly command: readonly string[];
  readonly cwd: string;
  /** `NAME=value`. */
  readonly environment: readonly string[];
  /** A folder of the machine whose files are put over the guest's. */
  readonly overlay?: string | undefined;
}

/** The archive. */
export function guestFiles(work: GuestWork, modules: readonly string[]): Buffer {
  const [folder, program] = [0o040755, 0o100755];
  return cpio([
    ...['bin', 'modules'].map((path) => ({ path, mode: folder })),
    { path: 'bin/busybox', mode: program, bytes: readFileSync('/bin/busybox') },
    { path: 'init', mode: program, bytes: Buffer.from(beginning(modules)) },
    { path: 'begin', mode: program, bytes: Buffer.from(going(work)) },
    ...modules.map((path) => ({ path: `modules/${basename(path)}`, mode: program, bytes: readFileSync(path) })),
  ]);
}
