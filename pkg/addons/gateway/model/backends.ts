/** From a reference to a Service, or an Ingress' words for one, to the addresses that answer. */
import type { Service, ServicePort } from '#pkg/api/types/core-v1.ts';
import type { EndpointSlice } from '#pkg/api/types/discovery-v1.ts';
import type { ObjectRef, ReferenceGrant } from '../types.ts';
import { isGranted, type Referrer } from './grants.ts';
import type { Endpoint } from './table.ts';

/** Where a reference leads, or why nowhere, in the words of the condition `ResolvedRefs`. */
export type ResolvedBackend =
  | { readonly endpoints: readonly Endpoint[] }
  | { readonly reason: string; readonly message: string };

const serviceNameLabel = 'kubernetes.io/service-name';

/** The Services of a cluster and who answers for them. */
export class BackendIndex {
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice[]>();
  readonly #grants: readonly ReferenceGrant[];

  constructor(objects: {
    readonly services: readonly Service[];
    readonly endpointSlices: readonly EndpointSlice[];
    readonly grants: readonly ReferenceGrant[];
  }) {
    this.#grants = objects.grants;
    for (const service of objects.services) this.#services.set(keyOf(service.metadata), service);
    for (const slice of objects.endpointSlices) {
      const key = `${slice.metadata?.namespace}/${slice.metadata?.labels?.[serviceNameLabel]}`;
      const known = this.#slices.get(key);
      if (known === undefined) this.#slices.set(key, [slice]);
      else known.push(slice);
    }
  }

  /** The backend of a route's reference. */
  resolve(from: Referrer, ref: ObjectRef & { readonly port?: number }): ResolvedBackend {
    const { group = '', kind = 'Service', namespace = from.namespace, name, port } = ref;
    if (group !== '' || kind !== 'Service')
      return { reason: 'InvalidKind', message: `${group === '' ? kind : `${kind}.${group}`} cannot be a backend` };
    if (!isGranted(this.#grants, from, { group, kind, namespace, name }))
      return {
        reason: 'RefNotPermitted',
        message: `No ReferenceGrant of ${namespace} lets a ${from.kind} of ${from.namespace} refer to Service ${name}`,
      };
    return this.#ofService(`${namespace}/${name}`, (one) => one.port === port, String(port));
  }

  /** The backend of an Ingress, whose port has a number or a name. */
  resolvePort(key: string, port: { readonly name?: string; readonly number?: number }): ResolvedBackend {
    const wanted = port.name || String(port.number);
    return this.#ofService(key, (one) => (port.name ? one.name === port.name : one.port === port.number), wanted);
  }

  #ofService(key: string, isWanted: (port: ServicePort) => boolean, wanted: string): ResolvedBackend {
    const service = this.#services.get(key);
    if (service === undefined) return { reason: 'BackendNotFound', message: `There is no Service ${key}` };
    if (service.spec?.type === 'ExternalName')
      return { reason: 'UnsupportedValue', message: `Service ${key} is of type ExternalName` };
    const port = service.spec?.ports?.find((one) => isWanted(one) && (one.protocol ?? 'TCP') === 'TCP');
    if (port === undefined)
      return { reason: 'BackendNotFound', message: `Service ${key} has no port ${wanted} of TCP` };
    return { endpoints: this.#endpoints(key, port.name ?? '') };
  }

  #endpoints(key: string, portName: string): readonly Endpoint[] {
    const found: Endpoint[] = [];
    for (const { addressType, endpoints, ports } of this.#slices.get(key) ?? []) {
      const port = ports?.find(({ name = '' }) => name === portName)?.port;
      if (port === undefined || addressType === 'FQDN') continue;
      for (const { addresses, conditions } of endpoints ?? []) {
        const [address] = addresses;
        if (conditions?.ready !== false && address !== undefined) found.push({ address, port });
      }
    }
    return found.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  }
}

function keyOf(metadata: Service['metadata']): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}
