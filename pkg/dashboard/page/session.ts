/** Who is signed in, what the cluster is and which resources it has: what all views look at. */
import { signal } from '@preact/signals';
import type { ResourceId, ResourceInfo, SessionInfo } from '../model/protocol.ts';
import { ask, whenSignedOut } from './ask.ts';
import { connect, disconnect } from './live.ts';

/** Undefined until the server has said. */
export const session = signal<SessionInfo | undefined>(undefined);
/** Why one is asked to sign in again. */
export const signedOutBecause = signal('');
/** Empty until the server has said. */
export const resources = signal<readonly ResourceInfo[]>([]);

/** Looks whether somebody is signed in already. */
export async function begin(): Promise<void> {
  whenSignedOut(leave);
  enter(await ask<SessionInfo>('GET', '/api/session'));
}

/** Signs in with a token, or with the code of the terminal. */
export async function signIn(given: { readonly token: string } | { readonly code: string }): Promise<void> {
  enter(await ask<SessionInfo>('POST', '/api/session', given));
}

/** Signs out. */
export async function signOut(): Promise<void> {
  await ask('DELETE', '/api/session');
  leave('You have signed out.');
}

function enter(info: SessionInfo): void {
  session.value = info;
  if (info.user === undefined) return;
  signedOutBecause.value = '';
  connect(leave);
  void loadResources();
}

async function loadResources(): Promise<void> {
  try {
    resources.value = await ask<readonly ResourceInfo[]>('GET', '/api/resources');
  } catch {
    // Without them the views of the well-known resources still work.
  }
}

function leave(reason: string): void {
  disconnect();
  resources.value = [];
  const { cluster = '' } = session.value ?? {};
  session.value = { cluster };
  signedOutBecause.value = reason;
}

/** What discovery says of a resource. */
export function infoOf({ group, resource }: ResourceId): ResourceInfo | undefined {
  return resources.value.find((one) => one.group === group && one.resource === resource);
}

/** Resources that views name. */
export const known = {
  pods: { group: '', version: 'v1', resource: 'pods' },
  nodes: { group: '', version: 'v1', resource: 'nodes' },
  namespaces: { group: '', version: 'v1', resource: 'namespaces' },
  events: { group: '', version: 'v1', resource: 'events' },
  deployments: { group: 'apps', version: 'v1', resource: 'deployments' },
  replicaSets: { group: 'apps', version: 'v1', resource: 'replicasets' },
  statefulSets: { group: 'apps', version: 'v1', resource: 'statefulsets' },
  daemonSets: { group: 'apps', version: 'v1', resource: 'daemonsets' },
  pipelineRuns: { group: 'ci.coxswain.dev', version: 'v1alpha1', resource: 'pipelineruns' },
  migrations: { group: 'vm.coxswain.dev', version: 'v1alpha1', resource: 'virtualmachinemigrations' },
} as const satisfies Record<string, ResourceId>;
