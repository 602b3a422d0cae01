/** What a cluster file says of nodes: what is wrong with it, and the nodes that it means. */
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { parseIpv4 } from '#pkg/apimachinery/ipv4-range.ts';
import { dns1123SubdomainProblems, labelValueProblems, qualifiedNameProblems } from '#pkg/apimachinery/names.ts';
import { parseQuantity, quantityValue } from '#pkg/apimachinery/quantity.ts';
import { type NodeSpec, type NodeTaint, type PortMapping, taintName } from '#pkg/cluster/node-spec.ts';
import { nodeNameAt, nodesMax } from '#pkg/cluster/settings.ts';
import type { NodeMount } from '#pkg/kubelet/volumes/node-mounts.ts';

/** An entry of `nodes`, as the schema has let it through. */
export interface NodeFields {
  readonly name?: string;
  readonly count?: number;
  readonly roles?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly NodeTaint[];
  readonly runtimes?: readonly string[];
  readonly capacity?: Readonly<Record<string, string>>;
  readonly extraMounts?: readonly NodeMount[];
  readonly extraPortMappings?: readonly (Partial<PortMapping> & Pick<PortMapping, 'containerPort' | 'hostPort'>)[];
}

/** What nodes are read with: the cluster's name and runtimes, and the folder that the file's paths are relative to. */
export interface NodesPlace {
  readonly clusterName: string;
  readonly runtimes: readonly string[];
  readonly folder: string;
}

/** One for each node. */
export function specsOf(nodes: readonly NodeFields[], place: NodesPlace): readonly NodeSpec[] {
  const all = place.runtimes.join(',');
  const specs: NodeSpec[] = [];
  for (const { name, count, runtimes, extraMounts, extraPortMappings, ...rest } of nodes) {
    const total = Math.min(count ?? 1, nodesMax + 1 - specs.length);
    const machine = {
      ...(extraMounts === undefined ? {} : { extraMounts: extraMounts.map((mount) => absolute(mount, place.folder)) }),
      ...(extraPortMappings === undefined
        ? {}
        : { extraPortMappings: extraPortMappings.map((one) => ({ ...mappingDefaults, ...one })) }),
    };
    for (let index = 1; index <= total; index++) {
      const ownName = name === undefined || count === undefined ? name : `${name}-${index}`;
      specs.push({
        name: ownName ?? nodeNameAt(place.clusterName, specs.length),
        ...rest,
        ...machine,
        ...(runtimes === undefined || runtimes.join(',') === all ? {} : { runtime: runtimes.join(',') }),
      });
    }
  }
  return specs;
}

/** Answers to this machine alone, and to the protocol that most speak. */
const mappingDefaults = { listenAddress: '127.0.0.1', protocol: 'TCP' } as const;

/** What is not read-only says nothing of it, so that a file that does says the same. */
function absolute({ hostPath, containerPath, readOnly }: NodeMount, folder: string): NodeMount {
  return { hostPath: resolve(folder, hostPath), containerPath, ...(readOnly === true ? { readOnly } : {}) };
}

/** What is wrong with all of them together. */
export function allNodeProblems(specs: readonly NodeSpec[]): readonly string[] {
  const name = twice(specs.map((spec) => spec.name));
  const mapped = twice(specs.flatMap(({ extraPortMappings = [] }) => extraPortMappings.map(placeOf)));
  return [
    ...(specs.length > nodesMax ? [`nodes: must be at most ${nodesMax} nodes`] : []),
    ...(name === undefined ? [] : [`nodes: the name ${JSON.stringify(name)} is there twice`]),
    ...(mapped === undefined ? [] : [`nodes: ${mapped} is mapped twice`]),
  ];
}

function placeOf({ listenAddress, hostPort, protocol }: PortMapping): string {
  return `${listenAddress}:${hostPort}/${protocol}`;
}

/** What is wrong with a list of runtimes. */
export function runtimeProblems(
  runtimes: readonly string[],
  path: string,
  known: readonly string[] = runtimes,
): readonly string[] {
  if (runtimes.length === 0) return [`${path}: must name one`];
  const other = runtimes.find((name) => !known.includes(name));
  return [
    ...(twice(runtimes) === undefined ? [] : [`${path}: one is there twice`]),
    ...(other === undefined
      ? []
      : [`${path}: ${JSON.stringify(other)} is none of the cluster's runtimes (${known.join(', ')})`]),
  ];
}

/** What is wrong with one entry, each with the path of its field. */
export function nodeProblems(node: NodeFields, path: string, place: NodesPlace): readonly string[] {
  const { name, roles = [], labels = {}, taints = [], capacity = {}, extraMounts = [], extraPortMappings = [] } = node;
  const told = (at: string, problems: readonly string[]): readonly string[] =>
    problems.slice(0, 1).map((one) => `${path}.${at}: ${one}`);
  const mountTwice = twice(extraMounts.map(({ containerPath }) => containerPath));
  return [
    ...(name === undefined ? [] : told('name', dns1123SubdomainProblems(name))),
    ...roles.flatMap((role, index) =>
      told(`roles[${index}]`, qualifiedNameProblems(`node-role.kubernetes.io/${role}`)),
    ),
    ...Object.entries(labels).flatMap(([key, value]) =>
      told(`labels[${key}]`, [...qualifiedNameProblems(key), ...labelValueProblems(value)]),
    ),
    ...taints.flatMap(({ key, value = '' }, index) =>
      told(`taints[${index}]`, [...qualifiedNameProblems(key), ...labelValueProblems(value)]),
    ),
    ...taintTwice(taints, path),
    ...Object.entries(capacity).flatMap(([resource, amount]) =>
      told(`capacity[${resource}]`, [...qualifiedNameProblems(resource), ...amountProblems(amount)]),
    ),
    ...extraMounts.flatMap((mount, index) => mountProblems(mount, `${path}.extraMounts[${index}]`, place.folder)),
    ...(mountTwice === undefined ? [] : [`${path}.extraMounts: ${mountTwice} is there twice`]),
    ...extraPortMappings.flatMap(({ listenAddress }, index) =>
      told(
        `extraPortMappings[${index}].listenAddress`,
        listenAddress === undefined || parseIpv4(listenAddress) !== undefined ? [] : ['must be an IPv4 address'],
      ),
    ),
    ...(node.runtimes === undefined ? [] : runtimeProblems(node.runtimes, `${path}.runtimes`, place.runtimes)),
  ];
}

function mountProblems({ hostPath, containerPath }: NodeMount, path: string, folder: string): readonly string[] {
  return [
    ...(isAbsolute(containerPath) && !containerPath.includes('=')
      ? []
      : [`${path}.containerPath: must be an absolute path without "="`]),
    ...(existsSync(resolve(folder, hostPath)) ? [] : [`${path}.hostPath: ${resolve(folder, hostPath)} is not there`]),
  ];
}

function taintTwice(taints: readonly NodeTaint[], path: string): readonly string[] {
  const name = twice(taints.map(taintName));
  return name === undefined ? [] : [`${path}.taints: ${name} is there twice`];
}

/** The first of them that was there before. */
function twice(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.size === seen.add(name).size);
}

function amountProblems(text: string): readonly string[] {
  const amount = parseQuantity(text);
  return amount === undefined || quantityValue(amount) < 0 ? ['must be an amount such as 4, 500m or 16Gi'] : [];
}
