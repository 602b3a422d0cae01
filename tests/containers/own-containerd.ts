/**
 * A containerd of the tests' own, from Debian's package: with its data, its state, its socket and the network that it gives pods in one folder, and images from a
 * registry that this process is. Nothing of the machine's own containerd is looked at.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '#pkg/base/clock.ts';
import { SystemRandom } from '#pkg/base/random.ts';
import type { NewTarEntry } from '#pkg/images/tar/tar-writer.ts';
import { tarEnd, tarFile } from '#pkg/images/tar/tar-writer.ts';
import { type TestImage, testImage } from '#pkg/images/testing/image-documents.ts';
import { pauseProgram } from '#pkg/kubelet/runtime/container/pause-program.ts';
import { type CriRuntime, openCriRuntime } from '#pkg/kubelet/runtime/cri/cri-runtime.ts';

const busybox = '/bin/busybox';
const plugins = '/usr/lib/cni';
const patienceMs = 120_000;

/** Why there can be none; undefined when there can. */
export const noContainerd: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'only root makes containers';
  for (const program of ['containerd', 'runc'])
    if (spawnSync(program, ['--version']).status !== 0) return `there is no ${program}`;
  if (!existsSync(busybox)) return 'there is no busybox';
  return existsSync(join(plugins, 'bridge')) ? undefined : 'there are no CNI plugins';
})();

if (noContainerd !== undefined) {
  // Where the run says that it has all that is needed, tests that do not run are no success.
  if (process.env.COXSWAIN_TEST_NEEDS_ENGINE === '1')
    throw new Error(`Cannot run the tests of containerd: ${noContainerd}`);
  console.log(`skipped: tests of containerd: ${noContainerd}`);
}

/** The runtime, with a registry that has `busybox` (with all of its programs) and the image of its sandboxes. */
export class OwnContainerd {
  readonly folder: string;
  readonly socketPath: string;
  readonly #registry: Server;
  #process: ChildProcess | undefined;
  #port = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.socketPath = join(folder, 'containerd.sock');
    const images = { busybox: busyboxImage(), pause: pauseImage() };
    this.#registry = createServer((request, response) => serve(images, request, response));
  }

  static async start(): Promise<OwnContainerd> {
    const containerd = new OwnContainerd(mkdtempSync(join(tmpdir(), 'coxswain-containerd-')));
    await containerd.#listen();
    containerd.#configure();
    await containerd.run();
    return containerd;
  }

  /** The name of an image in its registry. */
  image(name: 'busybox' | 'pause'): string {
    return `127.0.0.1:${this.#port}/${name}:1`;
  }

  /** Starts the process, again when it was ended; resolves when it answers. */
  async run(): Promise<void> {
    const log = openSync(join(this.folder, 'log'), 'a');
    const started = spawn('containerd', ['--config', join(this.folder, 'config.toml')], {
      stdio: ['ignore', log, log],
    });
    this.#process = started;
    const late = Date.now() + patienceMs;
    while (!(await this.#isReady())) {
      if (started.exitCode !== null || Date.now() > late)
        throw new Error(`containerd does not start:\n${readFileSync(join(this.folder, 'log'), 'utf8').slice(-4096)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the process; containers run on. */
  async end(): Promise<void> {
    const ending = this.#process;
    this.#process = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGTERM');
    await gone;
  }

  /** A kubelet's view of it. */
  open(node = 'node', options: { readonly ownNetwork?: boolean } = {}): Promise<CriRuntime> {
    return openCriRuntime({
      clock: new SystemClock(),
      random: new SystemRandom(),
      socketPath: this.socketPath,
      dataDir: join(this.folder, 'nodes', node),
      ownNetwork: options.ownNetwork ?? true,
      seccompFolder: join(this.folder, 'seccomp'),
    });
  }

  /** What containers have left on the machine. */
  remains(): readonly string[] {
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const mounts = mounted.flatMap((line) => {
      const place = line.split(' ')[4] ?? '';
      return place.startsWith(`${this.folder}/`) ? [place] : [];
    });
    const shims = join(this.folder, 'state/io.containerd.runtime.v2.task/k8s.io');
    return [...mounts, ...(existsSync(shims) ? readdirSync(shims) : [])];
  }

  /** Ends it all, with what a test that failed has left. */
  async remove(): Promise<void> {
    const ctr = ['--address', this.socketPath, '--namespace', 'k8s.io', 'task', 'delete', '--force'];
    const left = this.remains();
    for (const one of left) if (!one.startsWith('/')) spawnSync('ctr', [...ctr, one]);
    for (const one of left) if (one.startsWith('/')) spawnSync('umount', ['--lazy', one]);
    await this.end();
    await new Promise<void>((resolve) => {
      this.#registry.close(() => resolve());
      this.#registry.closeAllConnections();
    });
    spawnSync('ip', ['link', 'delete', this.#bridge()]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** It answers some time before it can do anything. */
  async #isReady(): Promise<boolean> {
    try {
      (await this.open('none')).detach();
      return true;
    } catch {
      return false;
    }
  }

  #bridge(): string {
    return `cri${this.folder.slice(-6)}`;
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve) => void this.#registry.listen(0, '127.0.0.1', resolve));
    const address = this.#registry.address();
    if (address === null || typeof address === 'string') throw new Error('the registry has no address');
    this.#port = address.port;
  }

  #configure(): void {
    const at = (name: string): string => JSON.stringify(join(this.folder, name));
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    const config = [
      'version = 2',
      `root = ${at('root')}`,
      `state = ${at('state')}`,
      // It makes a folder of its own in /opt.
      'disabled_plugins = ["io.containerd.internal.v1.opt"]',
      `[grpc]\n  address = ${JSON.stringify(this.socketPath)}`,
      `[ttrpc]\n  address = ${at('containerd.sock.ttrpc')}`,
      `[${cri}]`,
      `  sandbox_image = ${JSON.stringify(this.image('pause'))}`,
      // Where nobody has CAP_SYS_RESOURCE.
      '  restrict_oom_score_adj = true',
      '  netns_mounts_under_state_dir = true',
      `  [${cri}.cni]\n    bin_dir = ${JSON.stringify(plugins)}\n    conf_dir = ${at('cni')}`,
      `  [${cri}.containerd.runtimes.runc]\n    runtime_type = "io.containerd.runc.v2"`,
      `    [${cri}.containerd.runtimes.runc.options]\n      Root = ${at('runc')}`,
    ];
    writeFileSync(join(this.folder, 'config.toml'), `${config.join('\n')}\n`);
    mkdirSync(join(this.folder, 'cni'));
    const bridge = {
      type: 'bridge',
      bridge: this.#bridge(),
      isGateway: true,
      // Of nobody: the range is for documents. Source: RFC 5737.
      ipam: { type: 'host-local', ranges: [[{ subnet: '198.51.100.0/24' }]], dataDir: join(this.folder, 'addresses') },
    };
    const list = { cniVersion: '0.4.0', name: this.#bridge(), plugins: [bridge] };
    writeFileSync(join(this.folder, 'cni/10-test.conflist'), JSON.stringify(list));
  }
}

/** A registry's answers about manifests and contents. Source: OCI distribution specification. */
function serve(
  images: Readonly<Record<string, TestImage>>,
  { url = '', method }: IncomingMessage,
  response: ServerResponse,
): void {
  const [, , name = '', kind = '', reference = ''] = url.split('/');
  const image = images[name];
  const digest = kind === 'manifests' && reference === '1' ? image?.target.digest : reference;
  const bytes = digest === undefined ? undefined : image?.contents.get(digest);
  if (digest === undefined || bytes === undefined) {
    response.writeHead(url === '/v2/' ? 200 : 404).end();
    return;
  }
  const type = kind === 'manifests' ? image?.target.mediaType : 'application/octet-stream';
  response.writeHead(200, {
    'content-type': type ?? '',
    'docker-content-digest': digest,
    'content-length': bytes.length,
  });
  response.end(method === 'HEAD' ? undefined : bytes);
}

function layerOf(entries: readonly (readonly [NewTarEntry, string | Buffer])[]): Buffer {
  return Buffer.concat([...entries.map(([entry, contents]) => tarFile(entry, contents)), tarEnd()]);
}

function pauseImage(): TestImage {
  const layer = layerOf([[{ path: 'pause', mode: 0o755 }, pauseProgram(process.arch) ?? '']]);
  return testImage([layer], { platform: platform(), config: { Entrypoint: ['/pause'], User: '65535:65535' } });
}

function busyboxImage(): TestImage {
  const names = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const folders = ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp', 'var', 'var/log'];
  const layer = layerOf([
    ...folders.map(
      (path) => [{ kind: 'directory', path: `${path}/`, mode: path === 'tmp' ? 0o1777 : 0o755 }, ''] as const,
    ),
    [{ path: 'bin/busybox', mode: 0o755 }, readFileSync(busybox)],
    ...names
      .filter((name) => name !== 'busybox')
      .map((name) => [{ kind: 'symlink', path: `bin/${name}`, target: 'busybox' }, ''] as const),
    [{ path: 'etc/passwd' }, 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/var/www:/bin/sh\n'],
    [{ path: 'etc/group' }, 'root:x:0:\nweb:x:33:\nmedia:x:50:web\n'],
  ]);
  return testImage([layer], { platform: platform(), config: { Cmd: ['sh'], Env: ['PATH=/bin'] } });
}

function platform(): { readonly os: string; readonly architecture: string } {
  return { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
}
