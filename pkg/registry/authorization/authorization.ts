/**
 * How a server decides who may do what: its authorizers in their order, and what they have to be told of. Adding one is its file and a line here.
 * Upstream counterpart: `pkg/kubeapiserver/authorizer`.
 */
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from '#pkg/api/types/refs.ts';
import { alwaysAllow, type ResolvingAuthorizer, unionAuthorizer } from '#pkg/apiserver/authz/authorizer.ts';
import { RbacAuthorizer } from '../rbac/rbac-authorizer.ts';
import type { RemoteDeps } from '../remote/remote-server.ts';
import { NodeAuthorizer, type NodeAuthorizerSource } from './node-authorizer.ts';
import { type AuthorizationWebhook, webhookAuthorizer } from './webhook-authorizer.ts';

/** Source: kube-apiserver `--authorization-mode`. */
export const authorizationModes = ['AlwaysAllow', 'Node', 'RBAC'] as const;
/** One of them. */
export type AuthorizationMode = (typeof authorizationModes)[number];

/** As kubeadm has them. */
const defaultAuthorizationModes: readonly AuthorizationMode[] = ['Node', 'RBAC'];

/** The authorizers of a server as one. */
export interface Authorization {
  readonly authorizer: ResolvingAuthorizer;
  /** Absent where roles do not count. */
  readonly rbac?: RbacAuthorizer;
  /** Resolves once everything that decisions rest on is known; until then what rests on it is refused. */
  connect(source: NodeAuthorizerSource): Promise<void>;
}

/** One that decides: by its name, or a webhook. */
export type AuthorizerChoice = AuthorizationMode | AuthorizationWebhook;

/** Makes those that are named, asked in that order. Webhooks are reached by `remote`. */
export function createAuthorization(
  remote: RemoteDeps,
  modes: readonly AuthorizerChoice[] = defaultAuthorizationModes,
): Authorization {
  const rbac = modes.includes('RBAC') ? new RbacAuthorizer() : undefined;
  const node = modes.includes('Node') ? new NodeAuthorizer() : undefined;
  const byMode: Readonly<Record<AuthorizationMode, ResolvingAuthorizer | undefined>> = {
    AlwaysAllow: alwaysAllow(),
    Node: node,
    RBAC: rbac,
  };
  return {
    authorizer: unionAuthorizer(
      modes.flatMap((mode) => (typeof mode === 'string' ? (byMode[mode] ?? []) : webhookAuthorizer(mode, remote))),
    ),
    ...(rbac === undefined ? {} : { rbac }),
    async connect(source) {
      node?.connect(source);
      if (rbac === undefined) return;
      const { sinks } = rbac;
      await Promise.all([
        source.follow(clusterRoles, sinks.clusterroles),
        source.follow(roles, sinks.roles),
        source.follow(clusterRoleBindings, sinks.clusterrolebindings),
        source.follow(roleBindings, sinks.rolebindings),
      ]);
    },
  };
}
