/** `coxswain doctor`: what this machine can do, one line each, with what to do where it cannot. Exit code 1 when something is in the way. */

import { access, constants, readFile, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { explain } from '#cmd/common/errors.ts';
import { runningProcesses } from '#cmd/common/process-files.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { containersProblem, programProblem } from '#pkg/cluster/containers.ts';
import { criEndpointDefault } from '#pkg/cluster/cri-endpoint.ts';
import { networkProblem } from '#pkg/cluster/host-programs.ts';
import { checkKubeconfig } from '#pkg/cluster/kubeconfig.ts';
import { defaultSettings } from '#pkg/cluster/settings.ts';
import { type FlagTable, helpText, integer, parseFlags } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { chooseApiPort } from './address-slot.ts';
import { clusterFlags } from './cluster-flags.ts';
import { clusterRegistry } from './cluster-registry.ts';
import { ClusterFolder } from './folder.ts';
import { formatted, outputFlag } from './output.ts';
import { checkName, clustersHome, dataFolder, userKubeconfig, type World } from './world.ts';

const flags = {
  ...clusterFlags,
  'api-port': integer({
    help: 'Port for the API server. Default: the one that the cluster has, or would get.',
    fallback: 0,
    fallbackShown: false,
    max: 65_535,
  }),
  output: outputFlag,
} satisfies FlagTable;

/** `good`: as wanted. `note`: something optional is missing. `bad`: a cluster cannot start like this. */
interface Finding {
  readonly level: 'bad' | 'good' | 'note';
  readonly what: string;
  /** What to do about it. */
  readonly advice?: string;
}

const nodeMajorMin = 24;
const freeBytesMin = 1 << 30;
const openFilesWanted = 4096;
const inotifyWanted = 128;

/** Runs the command; resolves to its exit code. Throws `UserError` for flags it does not know. */
export async function doctor(world: World, args: readonly string[]): Promise<number> {
  const parsed = parseFlags(flags, args);
  if (!parsed.ok) throw new UserError(`${parsed.message} (see "coxswain doctor --help")`);
  if (parsed.help) {
    world.write(
      helpText(flags, { usage: 'coxswain doctor [flags]', summary: 'Look at what this machine can and cannot do.' }),
    );
    return 0;
  }
  if (parsed.rest.length > 0)
    throw new UserError(`unexpected argument: ${parsed.rest[0]} (see "coxswain doctor --help")`);
  const { values } = parsed;
  checkName(values.name);
  const folder = new ClusterFolder(dataFolder(world, { name: values.name, dataDir: values['data-dir'] }));
  const findings = [
    nodeVersion(),
    await diskSpace(folder.path),
    await kubeconfigWritable(userKubeconfig(world, '')),
    await apiPort(world, folder, values['api-port']),
    await loopbackAddresses(),
    await lowPorts(),
    await openFiles(),
    await inotify(),
    bridgeNetwork(),
    containers(),
    ...(await layers(folder.path)),
    crun(),
    await criRuntime(),
    ...(await Promise.all(optionalPrograms.map((program) => findProgram(world, program)))),
  ];
  world.write(values.output === '' ? textOf(findings) : await formatted({ findings }, values.output));
  return findings.some((finding) => finding.level === 'bad') ? 1 : 0;
}

const marks = { good: 'ok  ', note: 'note', bad: 'FAIL' };

function textOf(findings: readonly Finding[]): string {
  return findings
    .map(({ level, what, advice }) => `${marks[level]}  ${what}${advice === undefined ? '' : `: ${advice}`}\n`)
    .join('');
}

function nodeVersion(): Finding {
  const what = `Node ${process.versions.node}`;
  const isNew = Number(process.versions.node.split('.')[0]) >= nodeMajorMin;
  return isNew
    ? { level: 'good', what }
    : { level: 'bad', what, advice: `${nodeMajorMin} or newer is needed; "npm ci" in a checkout brings one` };
}

async function diskSpace(path: string): Promise<Finding> {
  let folder = path;
  for (;;) {
    try {
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize;
      const what = `${(free / 2 ** 30).toFixed(1)} GiB free for ${path}`;
      return free >= freeBytesMin
        ? { level: 'good', what }
        : { level: 'bad', what, advice: 'free some space, or choose another folder with --data-dir' };
    } catch (error) {
      if (folder === dirname(folder))
        return {
          level: 'bad',
          what: `The disk of ${path} cannot be looked at`,
          advice: String(errorCode(error)),
        };
      folder = dirname(folder);
    }
  }
}

async function kubeconfigWritable(path: string): Promise<Finding> {
  try {
    await checkKubeconfig(path);
    return { level: 'good', what: `The kubeconfig ${path} can be written` };
  } catch (error) {
    return { level: 'bad', what: explain(error) };
  }
}

async function apiPort(world: World, folder: ClusterFolder, wanted: number): Promise<Finding> {
  const registry = await clusterRegistry(world);
  const record = await folder.read().catch(() => undefined);
  const own = record?.settings.apiPort ?? 0;
  const near = { folder, registry, homeFolder: clustersHome(world) };
  const port = wanted || own || (await chooseApiPort(near, defaultSettings));
  const problem = await tryListen('127.0.0.1', port);
  if (problem === undefined) return { level: 'good', what: `Port ${port} is free for the API server` };
  if (port === own && (await runningProcesses(folder.run)).length > 0)
    return { level: 'good', what: `Port ${port} is in use by this cluster, which runs` };
  const other = (await registry.clusters()).find((one) => one.settings.apiPort === port && one.folder !== folder.path);
  const holder = other === undefined ? '' : `, it is that of the cluster "${other.settings.name}" in ${other.folder}`;
  return {
    level: 'bad',
    what: `Port ${port} cannot be used (${problem}${holder})`,
    advice: 'stop what uses it, or choose another with --api-port',
  };
}

async function loopbackAddresses(): Promise<Finding> {
  const problem = await tryListen('127.96.0.1', 0);
  const what = 'Every address of 127.0.0.0/8 answers';
  return problem === undefined
    ? { level: 'good', what }
    : {
        level: 'bad',
        what: `${what}: no (${problem})`,
        advice: 'only Linux gives pods addresses of their own on the loopback network',
      };
}

async function lowPorts(): Promise<Finding> {
  if (process.getuid?.() === 0) return { level: 'good', what: 'Services may use ports below 1024' };
  const first = Number(await readText('/proc/sys/net/ipv4/ip_unprivileged_port_start', '1024'));
  if (first <= 80) return { level: 'good', what: `Services may use ports from ${first}` };
  return {
    level: 'note',
    what: `Services may use ports from ${first} only`,
    advice: `"sudo sysctl net.ipv4.ip_unprivileged_port_start=80" lets them use lower ones`,
  };
}

async function openFiles(): Promise<Finding> {
  const line = (await readText('/proc/self/limits', '')).split('\n').find((one) => one.startsWith('Max open files'));
  const limit = Number(line?.split(/\s{2,}/)[1] ?? openFilesWanted);
  const what = `${limit} open files are allowed`;
  return limit >= openFilesWanted
    ? { level: 'good', what }
    : { level: 'note', what, advice: `many pods need more: "ulimit -n ${openFilesWanted}"` };
}

async function inotify(): Promise<Finding> {
  const limit = Number(await readText('/proc/sys/fs/inotify/max_user_instances', String(inotifyWanted)));
  const what = `${limit} inotify instances are allowed`;
  return limit >= inotifyWanted
    ? { level: 'good', what }
    : { level: 'note', what, advice: `"sudo sysctl fs.inotify.max_user_instances=${inotifyWanted}"` };
}

/** Whether pods can be on the kernel's networks. */
function bridgeNetwork(): Finding {
  const problem = networkProblem();
  return problem === undefined
    ? { level: 'good', what: 'Pods can have networks of the kernel (--network bridge)' }
    : {
        level: 'note',
        what: '--network bridge is not available here',
        advice: `${problem}; the loopback network needs nothing`,
      };
}

function containers(): Finding {
  const problem = containersProblem();
  return problem === undefined
    ? { level: 'good', what: 'Real containers can be run (--runtime container)' }
    : { level: 'note', what: '--runtime container is not available here', advice: problem };
}

/** How containers get the layers of their images; nothing where there can be no containers anyway. */
async function layers(folder: string): Promise<readonly Finding[]> {
  if (containersProblem() !== undefined) return [];
  const [{ copiesProblem }, { withoutWarnings }] = await Promise.all([
    import('#pkg/cluster/overlay-check.ts'),
    import('./image/open-images.ts'),
  ]);
  const problem = await withoutWarnings(() => copiesProblem(folder).catch(explain));
  return [
    problem === undefined
      ? { level: 'good', what: `Layers of images are mounted (overlay) in ${folder}` }
      : {
          level: 'note',
          what: `Layers of images are copied into each container in ${folder}, as there are no overlay mounts`,
          advice: problem,
        },
  ];
}

/** Whether the other OCI runtime that many machines have makes containers here. */
function crun(): Finding {
  const problem = programProblem('crun');
  return problem === undefined
    ? { level: 'good', what: 'Containers can be made by crun too (--oci-runtime crun)' }
    : { level: 'note', what: '--oci-runtime crun is not available here', advice: problem };
}

/** Whether a container runtime answers where one usually does. */
async function criRuntime(): Promise<Finding> {
  const problem = await (await import('#pkg/cluster/cri.ts')).criProblem(criEndpointDefault);
  return problem === undefined
    ? { level: 'good', what: `A container runtime answers at ${criEndpointDefault} (--runtime cri)` }
    : { level: 'note', what: '--runtime cri is not available here', advice: problem };
}

const optionalPrograms = [
  { name: 'kubectl', without: '"coxswain kubectl" has its verbs' },
  { name: 'docker', without: 'not needed' },
  { name: 'ip', without: 'needed for the bridge network: install iproute2' },
  { name: 'nft', without: 'needed for the bridge network: install nftables' },
  { name: 'conntrack', without: 'the bridge network ends UDP flows to pods that are gone with it: install conntrack' },
  { name: 'nsenter', without: 'needed for the bridge network: install util-linux' },
];

async function findProgram(world: World, program: (typeof optionalPrograms)[number]): Promise<Finding> {
  const folders = (world.environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of [...folders, '/usr/sbin', '/sbin', join(homedir(), '.local/bin')]) {
    try {
      await access(join(folder, program.name), constants.X_OK);
      return { level: 'good', what: `${program.name} is ${join(folder, program.name)}` };
    } catch {
      // Not in this folder.
    }
  }
  return { level: 'note', what: `${program.name} is not installed`, advice: program.without };
}

async function readText(path: string, fallback: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return fallback;
  }
}

/** Why an address cannot be listened on, or undefined when it can. */
function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
