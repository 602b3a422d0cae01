/** `cluster-info`, its `dump`, `version` and `options`. Source: kubectl `cmd/clusterinfo`, `cmd/version`, `cmd/options`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { yamlText } from '#pkg/apimachinery/yaml-text.ts';
import { type FlagTable, type FlagValues, helpText, list, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { digList, digText } from './api.ts';
import { allNamespacesFlag, connectionFlags, type KubectlContext } from './context.ts';
import { pathOf } from './discovery.ts';
import { listOf, renderObject } from './output.ts';
import { sortedJson } from './sorted-json.ts';
import type { Subcommand } from './subcommand.ts';
import { listObjects } from './targets.ts';

const dumpFlags = {
  'all-namespaces': allNamespacesFlag,
  namespaces: list({ help: 'Namespaces to dump.', placeholder: 'name,name' }),
  'output-directory': text({ help: 'Folder to write to; - for standard output.', placeholder: 'folder' }),
  output: text({ help: 'Form of the output.', short: 'o', fallback: 'json', allowed: ['json', 'yaml'] }),
  'pod-running-timeout': text({ help: 'Taken and not used.', fallback: '20s' }),
} satisfies FlagTable;

/** The command. */
export const clusterInfoCommand: Subcommand = {
  summary: 'Display cluster information.',
  usage: 'cluster-info',
  flags: {},
  run: clusterInfo,
  commands: {
    dump: { summary: 'Dump what helps to find faults.', usage: 'dump', flags: dumpFlags, run: dump },
  },
};

async function clusterInfo(context: KubectlContext, _: unknown, args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new UserError(`error: unknown command ${JSON.stringify(args.join(' '))}`);
  const server = context.api.server;
  context.print(`Kubernetes control plane is running at ${server}\n`);
  const [mapping] = await context.discovery.resolve('services');
  const services = await listObjects(
    context,
    { mapping, namespace: 'kube-system' },
    { selector: 'kubernetes.io/cluster-service=true' },
  );
  for (const service of services) {
    const name = digText(service, 'metadata', 'labels', 'kubernetes.io/name') || digText(service, 'metadata', 'name');
    const port = digText(digList(service, 'spec', 'ports')[0], 'name');
    const scheme = digText(digList(service, 'spec', 'ports')[0], 'port') === '443' ? 'https:' : '';
    const path = pathOf(mapping, 'kube-system', `${digText(service, 'metadata', 'name')}`);
    const suffix = port === '' && scheme === '' ? '' : `:${port}`;
    context.print(
      `${name} is running at ${server}${path.replace(/[^/]*$/, (last) => `${scheme}${last}${suffix}`)}/proxy\n`,
    );
  }
  context.print("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
  return 0;
}

const dumped = [
  'events',
  'replicationcontrollers',
  'services',
  'daemonsets.apps',
  'deployments.apps',
  'replicasets.apps',
  'pods',
];
const fileNames: Readonly<Record<string, string>> = {
  replicationcontrollers: 'replication-controllers',
  'daemonsets.apps': 'daemonsets',
  'deployments.apps': 'deployments',
  'replicasets.apps': 'replicasets',
};

type DumpValues = FlagValues<typeof dumpFlags> & { readonly namespace: string };

async function dump(context: KubectlContext, values: DumpValues): Promise<number> {
  const folder = values['output-directory'];
  const isFile = folder !== '' && folder !== '-';
  const write = (name: string, content: string): void => {
    if (!isFile) {
      context.print(content);
      return;
    }
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  const extension = values.output;
  const [nodes] = await context.discovery.resolve('nodes');
  write(`nodes.${extension}`, renderObject(extension, listOf(await listObjects(context, { mapping: nodes }, {}))));
  for (const namespace of await namespacesOf(context, values)) {
    for (const word of dumped) {
      const [mapping] = await context.discovery.resolve(word);
      const objects = await listObjects(context, { mapping, namespace }, {});
      write(join(namespace, `${fileNames[word] ?? word}.${extension}`), renderObject(extension, listOf(objects)));
    }
    const [pods] = await context.discovery.resolve('pods');
    for (const pod of await listObjects(context, { mapping: pods, namespace }, {})) {
      const name = digText(pod, 'metadata', 'name');
      const logs = await logsOf(
        context,
        pathOf(pods, namespace, name, 'log'),
        digList(pod, 'spec', 'containers').map((one) => digText(one, 'name')),
      );
      write(
        join(namespace, name, 'logs.txt'),
        logs.map((log) => (isFile ? log : headed(log, namespace, name))).join(''),
      );
    }
  }
  if (isFile) context.print(`Cluster info dumped to ${folder}\n`);
  return 0;
}

function headed(log: string, namespace: string, name: string): string {
  return `==== START logs for container of pod ${namespace}/${name} ====\n${log}==== END logs for container of pod ${namespace}/${name} ====\n`;
}

async function namespacesOf(context: KubectlContext, values: DumpValues): Promise<readonly string[]> {
  if (values['all-namespaces']) {
    const [mapping] = await context.discovery.resolve('namespaces');
    return (await listObjects(context, { mapping }, {})).map((one) => digText(one, 'metadata', 'name'));
  }
  if (values.namespaces.length > 0) return values.namespaces;
  return ['kube-system', values.namespace || context.api.namespace];
}

async function logsOf(
  context: KubectlContext,
  path: string,
  containers: readonly string[],
): Promise<readonly string[]> {
  const logs: string[] = [];
  for (const container of containers) {
    try {
      const decoder = new TextDecoder();
      let log = '';
      for await (const chunk of await context.api.stream({ method: 'GET', path, query: { container }, accept: '*/*' }))
        log += decoder.decode(chunk, { stream: true });
      logs.push(log);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      logs.push(`Failed to get logs: ${error.message}\n`);
    }
  }
  return logs;
}

/** The flags of `version`. */
export const versionFlags = {
  client: toggle({ help: 'Only that of the client.' }),
  output: text({ help: 'Form of the output: yaml or json.', short: 'o', allowed: ['', 'json', 'yaml'] }),
} satisfies FlagTable;

/** Runs `version`; resolves to its exit code. */
export async function version(
  context: KubectlContext,
  values: FlagValues<typeof versionFlags>,
  args: readonly string[],
): Promise<number> {
  if (args.length > 0) throw new UserError(`error: extra arguments: [${args.join(' ')}]`);
  const { kubernetesVersion } = await import('#pkg/api/facts.ts');
  const [major, minor] = kubernetesVersion.split('.');
  const clientVersion = { major, minor, gitVersion: `v${kubernetesVersion}` };
  const answer = values.client ? undefined : await context.api.call({ method: 'GET', path: '/version' });
  const versions = { clientVersion, ...(answer === undefined ? {} : { serverVersion: answer.object }) };
  if (values.output === 'json') context.print(`${JSON.stringify(versions, undefined, 2)}\n`);
  else if (values.output === 'yaml') context.print(yamlText(JSON.parse(sortedJson(versions))));
  else {
    context.print(`Client Version: ${clientVersion.gitVersion}\n`);
    if (answer !== undefined) context.print(`Server Version: ${digText(answer.object, 'gitVersion')}\n`);
  }
  return 0;
}

/** Runs `options`; resolves to its exit code. */
export async function options(context: KubectlContext): Promise<number> {
  context.print(
    helpText(connectionFlags, {
      usage: 'coxswain kubectl [flags]',
      summary: 'The following options can be passed to any command:',
    }),
  );
  return 0;
}
