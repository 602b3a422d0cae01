/**
 * Runs tests of real containers in a guest of QEMU's with Debian's kernel, for what a machine with cgroups of version 1 cannot show: limits of version 2, crun, AppArmor.
 * `node tests/containers/in-guest.ts [--oci-runtime crun] [TEST…]`, on Debian with `qemu-system-x86`, `linux-image-amd64`, `busybox-static`, and `crun` and `apparmor` for what these do.
 * The guest reads the machine's files and writes to its own memory alone. With `--kernel FILE --modules FOLDER` it is another kernel, with `--overlay FOLDER` files of that folder are
 * over the machine's (packages that were only unpacked), and `--qemu PROGRAM` with `--firmware FOLDER` another QEMU. It ends with the exit code of the tests.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '#tests/tidy/source-files.ts';
import { guestFiles, guestModules } from './guest-files.ts';

const usual = ['runtime', 'freezer', 'oci-runtime', 'attacks'].map((name) => `tests/containers/${name}.test.ts`);
const text = { type: 'string' } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    accel: { ...text, default: existsSync('/dev/kvm') ? 'kvm' : 'tcg' },
    firmware: text,
    kernel: text,
    modules: text,
    'oci-runtime': text,
    overlay: text,
    processors: { ...text, default: '2' },
    qemu: text,
  },
});

const newest = (folder: string, begin: string): string =>
  join(
    folder,
    readdirSync(folder)
      .filter((name) => name.startsWith(begin))
      .sort()
      .at(-1) ?? begin,
  );

const kernel = values.kernel ?? newest('/boot', 'vmlinuz');
const modules = guestModules(values.modules ?? newest('/lib/modules', ''));
const ociRuntime = values['oci-runtime'];
const work = {
  command: [process.execPath, 'tests/run.ts', 'containers', ...(positionals.length > 0 ? positionals : usual)],
  cwd: root,
  environment: ociRuntime === undefined ? [] : [`COXSWAIN_TEST_OCI_RUNTIME=${ociRuntime}`],
  overlay: values.overlay,
};

const folder = mkdtempSync(join(tmpdir(), 'coxswain-guest-'));
const initial = join(folder, 'initrd');
writeFileSync(initial, guestFiles(work, modules));
const guest = spawn(
  values.qemu ?? 'qemu-system-x86_64',
  [
    ...['-accel', values.accel, '-cpu', 'max', '-smp', values.processors, '-m', '3G', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel, '-initrd', initial],
    ...['-append', 'console=ttyS0 quiet panic=-1'],
    ...['-fsdev', 'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap'],
    ...['-device', 'virtio-9p-pci,fsdev=host,mount_tag=host'],
    ...(values.firmware === undefined ? [] : ['-L', values.firmware]),
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
let last = '';
guest.stdout.setEncoding('utf8').on('data', (chunk: string) => {
  process.stdout.write(chunk);
  last = (last + chunk).slice(-4096);
});
guest.on('error', (error) => {
  console.error(`Cannot start QEMU: ${error.message}`);
});
guest.on('close', () => {
  rmSync(folder, { recursive: true });
  process.exitCode = Number(/GUEST ENDED (\d+)/.exec(last)?.[1] ?? 1);
});
