/** Which node a user is. Source: `pkg/auth/nodeidentifier`. */
import type { UserInfo } from '#pkg/apiserver/user-info.ts';

const prefix = 'system:node:';
const nodesGroup = 'system:nodes';

/** Name of the node that a user is; `''` for one in the group of nodes that has none; undefined for a user that is no node. */
export function nodeOf({ name, groups }: UserInfo): string | undefined {
  if (!name.startsWith(prefix) || !groups.includes(nodesGroup)) return undefined;
  return name.slice(prefix.length);
}
