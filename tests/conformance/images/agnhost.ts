/**
 * A stand-in for the image by which upstream's tests look at a cluster, for those of its commands that programs of the in-process runtime can be. What is not here
 * ends with 1 and a line. It knows no test: each command does what the image's own does. Source: kubernetes `test/images/agnhost` `README.md`.
 */
import { appendFile, chmod, readdir, readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '#pkg/base/error-text.ts';
import type { CommandOutput, Program, ProgramContext } from '#pkg/kubelet/runtime/inprocess/program.ts';
import { checkToken, serveGuestbook } from './agnhost-apps.ts';
import { nettest } from './agnhost-nettest.ts';
import { netexec, serveHostname, serveOn, servePorts } from './agnhost-network.ts';
import { serveAdmission, serveConversion } from './agnhost-webhooks.ts';
import { serveGrpcHealth } from './grpc-health.ts';

type Flags = ReadonlyMap<string, string>;
type Run = (context: ProgramContext, flags: Flags) => Promise<number | undefined> | number | undefined;

const namespacesOfLogs = ['kube-system', 'default', 'ns'];

const commands: Readonly<Record<string, Run>> = {
  pause: (context) => {
    context.log('Paused');
    return waitForEnd(context);
  },
  'entrypoint-tester': (context) => {
    context.log(`[/agnhost ${context.args.join(' ')}]`);
    return 0;
  },
  'etc-hosts': printFile('/etc/hosts', (text) => text),
  'dns-suffix': printFile('/etc/resolv.conf', (text) => wordsAfter(text, 'search').join(',')),
  'dns-server-list': printFile('/etc/resolv.conf', (text) => wordsAfter(text, 'nameserver').join(',')),
  guestbook: untilEnd(serveGuestbook),
  'test-service-account-issuer-discovery': checkToken,
  webhook: untilEnd(serveAdmission),
  'crd-conversion-webhook': untilEnd(serveConversion),
  mounttest,
  netexec: untilEnd(netexec),
  nettest: untilEnd(nettest),
  'serve-hostname': untilEnd(serveHostname),
  'test-webserver': untilEnd((context, flags) => serveFiles(context, Number(flags.get('port') ?? 80))),
  porter: untilEnd(servePorts),
  liveness: (context) => {
    const startMs = context.clock.monotonicMs();
    const isWell = (): boolean => context.clock.monotonicMs() - startMs <= 10_000;
    serveOn(context, 8080, () => (isWell() ? { status: 200, body: 'ok' } : { status: 500, body: 'error' }));
    return waitForEnd(context);
  },
  'grpc-health-checking': (context, flags) => {
    const untilMs = Number(flags.get('delay-unhealthy-sec') ?? -1) * 1000;
    const startMs = context.clock.monotonicMs();
    const isWell = (): boolean => untilMs < 0 || context.clock.monotonicMs() - startMs <= untilMs;
    serveGrpcHealth(context, Number(flags.get('port') ?? 5000), isWell);
    return waitForEnd(context);
  },
  'logs-generator': async (context, flags) => {
    const total = Number(flags.get('log-lines-total') ?? 0);
    const seconds = Number.parseInt(flags.get('run-duration') ?? '0', 10);
    for (let id = 0; id < total; id++) {
      const namespace = namespacesOfLogs[id % namespacesOfLogs.length];
      context.error(
        `I1128 00:00:00.000000 1 logs_generator.go:76] ${id} GET /api/v1/namespaces/${namespace}/pods/abcd 2${id % 100}`,
      );
      await delay((seconds * 1000) / total);
    }
    return 0;
  },
};

export const program: Program = {
  main: runCommand,
  commands: { '/agnhost': runAside, agnhost: runAside, '/agnhost-2': runSecond },
};

async function runCommand(context: ProgramContext): Promise<number | undefined> {
  const [command = 'pause', ...rest] = context.args;
  const run = commands[command];
  if (run === undefined) {
    context.error(`this stand-in has no command ${command}`);
    return 1;
  }
  return run(context, flagsIn(rest));
}

/** The image's program once more, beside the one that runs. */
async function runAside(context: ProgramContext, args: readonly string[], signal: AbortSignal): Promise<CommandOutput> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const exitCode = await runCommand({
    ...context,
    args,
    signal,
    log: (line) => stdout.push(`${line}\n`),
    error: (line) => stderr.push(`${line}\n`),
  });
  return { exitCode: exitCode ?? 0, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** The same program under the other name that it has in the image. */
async function runSecond(
  context: ProgramContext,
  args: readonly string[],
  signal: AbortSignal,
): Promise<CommandOutput> {
  if (args[0] === 'entrypoint-tester') return { exitCode: 0, stdout: `[/agnhost-2 ${args.join(' ')}]\n` };
  return runAside(context, args, signal);
}

function printFile(path: string, pick: (text: string) => string): Run {
  return async (context) => {
    context.log(pick(await readFile(context.resolve(path), 'utf8')).trimEnd());
    return 0;
  };
}

/** What the lines of `/etc/resolv.conf` that begin with a word say. */
function wordsAfter(text: string, word: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [first, ...rest] = line.trim().split(/\s+/);
    return first === word ? rest : [];
  });
}

/** `--name=value` and `--name value`. */
function flagsIn(args: readonly string[]): Flags {
  const flags = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const [, name, value] = /^--?([^=]+)(?:=(.*))?$/s.exec(args[index] ?? '') ?? [];
    if (name === undefined) continue;
    const next = args[index + 1];
    if (value !== undefined) flags.set(name, value);
    else if (next !== undefined && !next.startsWith('-')) flags.set(name, args[++index] ?? '');
    else flags.set(name, 'true');
  }
  return flags;
}

/** A command that serves until it is told to end. */
function untilEnd(serve: (context: ProgramContext, flags: Flags) => void): Run {
  return (context, flags) => {
    serve(context, flags);
    return waitForEnd(context);
  };
}

/** Until the program is told to end; the listener alone would not keep it alive. */
function waitForEnd({ signal, clock }: ProgramContext): Promise<number> {
  return new Promise((resolve) => {
    const alive = clock.setTimeout(() => {}, Number.MAX_SAFE_INTEGER);
    signal.addEventListener(
      'abort',
      () => {
        alive.cancel();
        resolve(0);
      },
      { once: true },
    );
  });
}

/** A file, or what is in a folder. */
async function readPage(path: string): Promise<Buffer | string> {
  if (!(await stat(path)).isDirectory()) return readFile(path);
  const links = (await readdir(path)).toSorted().map((name) => `<a href="${encodeURI(name)}">${name}</a>\n`);
  return `<!doctype html>\n<pre>\n${links.join('')}</pre>\n`;
}

function serveFiles(context: ProgramContext, port: number): void {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname);
    readPage(context.resolve(path)).then(
      (page) => response.end(page),
      () => response.writeHead(404).end('404 page not found\n'),
    );
  }).listen(port, context.ip);
  context.signal.addEventListener('abort', () => server.close());
}

const newFileModes: Readonly<Record<string, number>> = {
  new_file_0644: 0o644,
  new_file_0666: 0o666,
  new_file_0660: 0o660,
  new_file_0777: 0o777,
};

/** In the order in which the image itself does it. */
async function mounttest(context: ProgramContext, flags: Flags): Promise<number> {
  let failed = 0;
  const each = async (names: readonly string[], act: (path: string, name: string) => Promise<void>): Promise<void> => {
    for (const name of names) {
      const path = flags.get(name);
      if (path === undefined || path === '') continue;
      await act(path, name).catch((error: unknown) => {
        context.log(`error: ${errorText(error)}`);
        failed = 1;
      });
    }
  };
  const content = async (path: string): Promise<void> =>
    context.log(`content of file "${path}": ${await readFile(context.resolve(path), 'utf8')}`);
  await each(['fs_type'], async (path) => context.log(`mount type of "${path}": ${await fileSystem(context, path)}`));
  await each(Object.keys(newFileModes), async (path, name) => {
    const file = context.resolve(path);
    await appendFile(file, 'mount-tester new file\n');
    await chmod(file, newFileModes[name] ?? 0);
    await content(path);
  });
  const modeOf = async (path: string): Promise<{ readonly isFolder: boolean; readonly bits: number }> => {
    const found = await stat(context.resolve(path));
    return { isFolder: found.isDirectory(), bits: found.mode & 0o7777 };
  };
  await each(['file_mode'], async (path) => {
    const { isFolder, bits } = await modeOf(path);
    const special = `${isFolder ? 'd' : ''}${bits & 0o2000 ? 'g' : ''}${bits & 0o1000 ? 't' : ''}`;
    context.log(`mode of file "${path}": ${special === '' ? '-' : special}${permissions(bits)}`);
  });
  await each(['file_perm'], async (path) => {
    context.log(`perms of file "${path}": -${permissions((await modeOf(path)).bits)}`);
  });
  await each(['file_owner'], async (path) => {
    const { uid, gid } = await stat(context.resolve(path));
    context.log(`owner UID of "${path}": ${uid}`);
    context.log(`owner GID of "${path}": ${gid}`);
  });
  await each(['file_content'], content);
  await each(['file_content_in_loop'], async (path) => {
    const endMs = context.clock.monotonicMs() + Number(flags.get('retry_time') ?? 180) * 1000;
    while (context.clock.monotonicMs() < endMs && !context.signal.aborted) {
      await content(path).catch((error: unknown) =>
        context.log(`Error reading file ${path}: ${errorText(error)}, retrying`),
      );
      if (flags.get('break_on_expected_content') !== 'false') return;
      await delay(2_000);
    }
  });
  return failed;
}

function permissions(bits: number): string {
  return [...'rwxrwxrwx'].map((letter, index) => ((bits >> (8 - index)) & 1 ? letter : '-')).join('');
}

/** `tmpfs`, or the number of the file system where it is another. */
async function fileSystem(context: ProgramContext, path: string): Promise<string> {
  const { statfs } = await import('node:fs/promises');
  const { type } = await statfs(context.resolve(path));
  return type === 0x0102_1994 ? 'tmpfs' : String(type);
}
