/** What `import … from 'coxswain/client'` gives: the client that Coxswain's own components use. The names are promises to users of the package. */
import './node-version.ts';

export type { KubeList, KubeObject, ResourceRef } from '#pkg/apimachinery/object.ts';
export { isConflict, isNotFound, StatusError } from '#pkg/apimachinery/status-error.ts';
export type { Client, Transport } from '#pkg/client/client.ts';
export type { EventHandler, Informer, Informers, Lister } from '#pkg/client/informer.ts';
export {
  type NetworkTransport,
  type NetworkTransportOptions,
  networkTransport,
} from '#pkg/client/network-transport.ts';
export { createClient } from '#pkg/client/rest-client.ts';
export { createInformers } from '#pkg/client/shared-informers.ts';
