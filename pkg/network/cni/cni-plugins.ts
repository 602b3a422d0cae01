/**
 * Runs the plugins of a CNI configuration list: each is a program that reads its part of the list and writes what it has made, the next one getting that too.
 * They run in the node's network namespace. Source: CNI specification 1.0.0, https://www.cni.dev/docs/spec/
 */
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { burstBytes } from '../bandwidth.ts';
import { tryHostCommand } from '../host/host-command.ts';
import type { PodBandwidth } from '../pod-network.ts';

/** Longest that one plugin may take. */
const pluginMs = 60_000;
const interfaceName = 'eth0';

/** A list, as the files of `/etc/cni/net.d` have it. */
export interface CniList {
  readonly cniVersion: string;
  readonly name: string;
  /** The type of each names its program. */
  readonly plugins: readonly (JsonObject & { readonly type: string })[];
}

/** Where plugins run, and where they are looked for. */
export interface CniPluginsOptions {
  readonly list: CniList;
  /** Path of the node's namespace; absent for that of this process. */
  readonly namespace: string | undefined;
  readonly folders: readonly string[];
}

/** One pod. */
export interface CniPod {
  /** Distinct for each pod of the node: letters, digits, dots, dashes and underscores. */
  readonly id: string;
  /** Path of its namespace; `''` where it is gone. */
  readonly namespacePath: string;
  readonly ranges: readonly { readonly subnet: string; readonly gateway: string }[];
  /** Wished for, with the length of their range's prefix. */
  readonly addresses: readonly string[];
  readonly bandwidth?: PodBandwidth;
}

/** A plugin said what it could not do, or nothing that makes sense. */
class CniError extends Error {
  constructor(plugin: string, reason: string) {
    super(`the CNI plugin ${plugin} says: ${reason}`);
    this.name = 'CniError';
  }
}

/** Reads a list. Throws with one line for a text that is none. */
export function parseCniList(text: string, path: string): CniList {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const { cniVersion, name, plugins } = isObject(value) ? value : {};
  const problem = (what: string): Error => new Error(`Cannot use ${path} as a CNI configuration list: ${what}`);
  if (typeof cniVersion !== 'string' || typeof name !== 'string') throw problem('it needs cniVersion and name');
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw problem(`${JSON.stringify(name)} is no name of a network`);
  if (!Array.isArray(plugins) || plugins.length === 0) throw problem('it has no plugins');
  return {
    cniVersion,
    name,
    plugins: plugins.map((plugin: unknown) => {
      const type = isObject(plugin) ? plugin.type : undefined;
      if (!isObject(plugin) || typeof type !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(type))
        throw problem('each of its plugins needs a type, which is the name of a program');
      return { ...plugin, type };
    }),
  };
}

/** Adds a pod by all plugins in order; gives its addresses as the last one says. What was made is taken away where one fails. */
export async function addPod(options: CniPluginsOptions, pod: CniPod): Promise<readonly string[]> {
  let result: JsonObject | undefined;
  try {
    for (const plugin of options.list.plugins) result = await run(options, { pod, plugin, command: 'ADD', result });
  } catch (error) {
    await deletePod(options, pod).catch(() => {});
    throw error;
  }
  const ips = Array.isArray(result?.ips) ? result.ips : [];
  return ips.flatMap((ip: unknown) => {
    const address = isObject(ip) ? ip.address : undefined;
    return typeof address === 'string' ? [address.split('/')[0] ?? ''] : [];
  });
}

/** Takes a pod away by all plugins in reverse order: each is asked, whatever another says. Rejects with the first complaint. */
export async function deletePod(options: CniPluginsOptions, pod: CniPod): Promise<void> {
  const complaints: unknown[] = [];
  for (const plugin of options.list.plugins.toReversed())
    await run(options, { pod, plugin, command: 'DEL', result: undefined }).catch((error) => complaints.push(error));
  if (complaints.length > 0) throw complaints[0];
}

async function run(
  { list, namespace, folders }: CniPluginsOptions,
  asked: {
    readonly pod: CniPod;
    readonly plugin: CniList['plugins'][number];
    readonly command: 'ADD' | 'DEL';
    readonly result: JsonObject | undefined;
  },
): Promise<JsonObject> {
  const { pod, plugin, command, result } = asked;
  const { type } = plugin;
  const program = await programOf(type, folders);
  if (program === undefined) throw new CniError(type, `there is no such program in ${folders.join(', ')}`);
  const input = JSON.stringify(configOf(list, { pod, plugin, result }));
  const environment = [
    `CNI_COMMAND=${command}`,
    `CNI_CONTAINERID=${pod.id}`,
    `CNI_NETNS=${pod.namespacePath}`,
    `CNI_IFNAME=${interfaceName}`,
    `CNI_PATH=${folders.join(':')}`,
    'CNI_ARGS=IgnoreUnknown=1',
  ];
  const signal = AbortSignal.timeout(pluginMs);
  const { code, stdout, stderr } = await tryHostCommand(['env', ...environment, program], { namespace, input, signal });
  const answer = parsed(stdout);
  if (code === 0) return answer ?? {};
  const { msg, details } = answer ?? {};
  const said = [msg, details].filter((text) => typeof text === 'string' && text !== '').join(': ');
  throw new CniError(type, said || stderr.trim().split('\n')[0] || `it ended with ${code}`);
}

/** What a plugin reads: its part of the list, with what it may be told of the pod. */
function configOf(
  { cniVersion, name }: CniList,
  {
    pod,
    plugin,
    result,
  }: { readonly pod: CniPod; readonly plugin: CniList['plugins'][number]; readonly result: JsonObject | undefined },
): JsonObject {
  const { capabilities, ...config } = plugin;
  const can = isObject(capabilities) ? capabilities : {};
  const runtimeConfig = {
    ...(can.ipRanges === true ? { ipRanges: pod.ranges.map((range) => [range]) } : {}),
    ...(can.ips === true ? { ips: pod.addresses } : {}),
    ...(can.bandwidth === true && pod.bandwidth !== undefined ? { bandwidth: bandwidthConfig(pod.bandwidth) } : {}),
  };
  return {
    ...config,
    cniVersion,
    name,
    // Read by `host-local`, which has no such capability.
    args: { cni: { ips: pod.addresses } },
    ...(Object.keys(runtimeConfig).length === 0 ? {} : { runtimeConfig }),
    ...(result === undefined ? {} : { prevResult: result }),
  };
}

/** Whether a plugin of the list holds pods to their bandwidth. */
export function listLimitsBandwidth({ plugins }: CniList): boolean {
  return plugins.some(({ capabilities }) => isObject(capabilities) && capabilities.bandwidth === true);
}

/** In bits. Source: CNI conventions, "Well-known Capabilities". */
function bandwidthConfig({ toPod, fromPod }: PodBandwidth): JsonObject {
  return {
    ...(toPod === undefined ? {} : { ingressRate: toPod, ingressBurst: burstBytes(toPod) * 8 }),
    ...(fromPod === undefined ? {} : { egressRate: fromPod, egressBurst: burstBytes(fromPod) * 8 }),
  };
}

async function programOf(type: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, type);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
