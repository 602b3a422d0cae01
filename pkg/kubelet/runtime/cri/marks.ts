/**
 * How what this node has made in a runtime is known again, by this kubelet and by a later one: a label says whose it is, as a runtime may serve others too, and a note
 * keeps what the interface does not give back. Labels of upstream's kubelet are there as well, which tools such as crictl go by. Pure.
 * Upstream counterpart: kubelet `kuberuntime/labels.go`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { ContainerConfig, ContainerResources, SandboxConfig } from '../container-config.ts';
import type { ListedSandbox } from './answers.ts';
import type { Marks } from './requests.ts';

const nodeLabel = 'coxswain.dev/node';
const sandboxNote = 'coxswain.dev/sandbox';
const containerNote = 'coxswain.dev/container';
const podLabels = ['io.kubernetes.pod.name', 'io.kubernetes.pod.namespace', 'io.kubernetes.pod.uid'] as const;
const containerLabel = 'io.kubernetes.container.name';

/** What all of a node have in common. */
export function labelsOfNode(node: string): Readonly<Record<string, string>> {
  return { [nodeLabel]: node };
}

/** What is kept of a container. */
export type KeptContainer = Pick<ContainerConfig, 'image' | 'imageRef' | 'specHash' | 'stdin' | 'stdinOnce' | 'tty'> & {
  readonly podUid: string;
  readonly sandboxId: string;
  readonly resources: ContainerResources;
  /** Of its files: absolute paths without their ends. */
  readonly files: string;
};

/** A sandbox's. */
export function sandboxMarks(node: string, config: SandboxConfig): Marks {
  const { labels, annotations, ...kept } = config;
  return {
    labels: { ...labels, ...podLabelsOf(config), ...labelsOfNode(node) },
    annotations: { ...annotations, [sandboxNote]: JSON.stringify(kept) },
  };
}

/** The sandbox of such marks; undefined for one that a kubelet of another sort has made. */
export function markedSandbox({
  labels,
  annotations,
}: Pick<ListedSandbox, 'annotations' | 'labels'>): SandboxConfig | undefined {
  const kept = parsed<Omit<SandboxConfig, 'annotations' | 'labels'>>(annotations[sandboxNote]);
  if (kept === undefined) return undefined;
  const own: ReadonlySet<string> = new Set([nodeLabel, sandboxNote, ...podLabels]);
  return { ...kept, labels: without(labels, own), annotations: without(annotations, own) };
}

/** A container's. */
export function containerMarks(
  node: string,
  {
    config,
    sandbox,
    kept,
  }: { readonly config: ContainerConfig; readonly sandbox: SandboxConfig; readonly kept: KeptContainer },
): Marks {
  return {
    labels: { ...config.labels, ...podLabelsOf(sandbox), [containerLabel]: config.name, ...labelsOfNode(node) },
    annotations: { ...config.annotations, [containerNote]: JSON.stringify(kept) },
  };
}

/** What was kept of a container; undefined for one that a kubelet of another sort has made. */
export function markedContainer(annotations: Readonly<Record<string, string>>): KeptContainer | undefined {
  return parsed<KeptContainer>(annotations[containerNote]);
}

function podLabelsOf({ podName, podNamespace, podUid }: SandboxConfig): Readonly<Record<string, string>> {
  const [name, namespace, uid] = podLabels;
  return { [name]: podName, [namespace]: podNamespace, [uid]: podUid };
}

function parsed<T extends object>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    const value: T = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function without(
  values: Readonly<Record<string, string>>,
  names: ReadonlySet<string>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.has(name)));
}
