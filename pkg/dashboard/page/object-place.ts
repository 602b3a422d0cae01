/** Which object a view is about, and where the page's server has it. */
import type { ResourceId, Row } from '../model/protocol.ts';

/** Which object a tab is about. */
export interface ObjectTabProps {
  readonly resource: ResourceId;
  readonly namespace: string;
  readonly name: string;
  /** As lists show it; undefined where it is not there. */
  readonly row: Row | undefined;
}

/** Where the server has an object. */
export function objectPath({
  resource: { group, version, resource },
  namespace,
  name,
}: Omit<ObjectTabProps, 'row'>): string {
  const parts = [group || '-', version, resource, namespace || '-', name];
  return `/api/objects/${parts.map(encodeURIComponent).join('/')}`;
}
