/**
 * What people say of single nodes of a cluster: names, labels, taints, what they offer, what of the machine they have and how their pods run. Kept with the settings of the cluster. A
 * kubelet registers its node with what it may set itself (`ownLabels`, taints); the rest is an administrator's, as on upstream's clusters.
 */
import type { Taint } from '#pkg/api/types/core-v1.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { mountText, type NodeMount } from '#pkg/kubelet/volumes/node-mounts.ts';

/** One node. */
export interface NodeSpec {
  readonly name: string;
  /** Written as labels `node-role.kubernetes.io/ROLE`. */
  readonly roles?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly NodeTaint[];
  /** Amounts in place of what the node would offer, and further ones, such as extended resources. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** What of the machine hostPath volumes find at paths of the node. */
  readonly extraMounts?: readonly NodeMount[];
  /** Ports of the machine at which ports of the node answer. */
  readonly extraPortMappings?: readonly PortMapping[];
  /** Names of its runtimes with commas between them, some of the cluster's; the first is for pods without a RuntimeClass. Default: the cluster's. */
  readonly runtime?: string;
}

/** A taint as people write it. */
export type NodeTaint = Required<Pick<Taint, 'effect' | 'key'>> & Pick<Taint, 'value'>;

/** A port of the machine and the port of the node, such as a node port, that answers there. */
export interface PortMapping {
  readonly containerPort: number;
  readonly hostPort: number;
  /** IPv4 address of the machine. */
  readonly listenAddress: string;
  readonly protocol: (typeof mappedProtocols)[number];
}

/** What can be mapped. */
export const mappedProtocols = ['TCP', 'UDP'] as const;

/** What a taint may do. */
export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] as const;

/** All labels that the node is to have beside those that every node has. */
export function labelsOf({ roles = [], labels = {} }: NodeSpec): Readonly<Record<string, string>> {
  return { ...Object.fromEntries(roles.map((role) => [`node-role.kubernetes.io/${role}`, ''])), ...labels };
}

/** Those of them that its kubelet may set: none of Kubernetes' own. Source: the admission plugin NodeRestriction. */
export function ownLabels(spec: NodeSpec): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(labelsOf(spec)).filter(([key]) => !/^([^/]+\.)?(k8s|kubernetes)\.io\//.test(key)),
  );
}

/** `key:effect`, by which a node has one of each. */
export function taintName({ key, effect }: NodeTaint): string {
  return `${key}:${effect}`;
}

/** `key=value:effect`, or without a value `key:effect`. */
export function taintText({ key, value = '', effect }: NodeTaint): string {
  return `${key}${value === '' ? '' : `=${value}`}:${effect}`;
}

/** The taint of such a text; undefined for what is none. */
export function parseTaint(text: string): NodeTaint | undefined {
  const [, key, value, word] = /^([^=:]+)(?:=([^=:]*))?:([A-Za-z]+)$/.exec(text) ?? [];
  const effect = taintEffects.find((one) => one === word);
  if (key === undefined || effect === undefined) return undefined;
  return { key, effect, ...(value === undefined || value === '' ? {} : { value }) };
}

/** The taints that a flag says. Throws `UserError` for a text that is none. */
export function taintsOfFlag(flag: string, texts: readonly string[]): readonly NodeTaint[] {
  return texts.map((text) => {
    const taint = parseTaint(text);
    if (taint !== undefined) return taint;
    throw new UserError(
      `invalid value "${text}" for --${flag}: must be key=value:effect with one of ${taintEffects.join(', ')}`,
    );
  });
}

/** What a flag of `key=value` pairs says. Throws `UserError` for a text that is none. */
export function recordOfFlag(flag: string, pairs: readonly string[]): Readonly<Record<string, string>> {
  const wrong = pairs.find((pair) => !/^[^=]+=[^=]*$/.test(pair));
  if (wrong !== undefined) throw new UserError(`invalid value "${wrong}" for --${flag}: must be key=value`);
  return Object.fromEntries(
    pairs.map((pair) => {
      const [key = '', value = ''] = pair.split('=');
      return [key, value];
    }),
  );
}

/** Flags of a kubelet for what is said of its node; none where nothing is. */
export function nodeSpecFlags(spec: NodeSpec | undefined): Readonly<Record<string, readonly string[] | string>> {
  if (spec === undefined) return {};
  const pairs = (of: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(of).map(([key, value]) => `${key}=${value}`);
  return {
    'node-labels': pairs(ownLabels(spec)),
    'register-with-taints': (spec.taints ?? []).map(taintText),
    capacity: pairs(spec.capacity ?? {}),
    ...(spec.extraMounts === undefined ? {} : mountFlags(spec.extraMounts)),
    ...(spec.runtime === undefined ? {} : { runtime: spec.runtime }),
  };
}

function mountFlags(mounts: readonly NodeMount[]): Readonly<Record<string, readonly string[]>> {
  const [fixed, open] = [true, false].map((isFixed) => mounts.filter(({ readOnly = false }) => readOnly === isFixed));
  return {
    'extra-mounts': (open ?? []).map(mountText),
    ...(fixed?.length ? { 'read-only-mounts': fixed.map(mountText) } : {}),
  };
}

/** Whether what a file of the data folder holds can be what was said of `count` nodes. */
export function areNodeSpecs(value: unknown, count: number): boolean {
  if (!Array.isArray(value) || value.length !== count) return false;
  return value.every((one: unknown) => isObject(one) && typeof one.name === 'string' && one.name !== '');
}
