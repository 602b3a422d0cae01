/** Reads of the server's own resources, past authorization: for strategies and admission plugins. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Catalog } from './catalog.ts';
import type { RegistryReader } from './strategy.ts';

/** Reads the stored version, or any served one of it. A resource that is not served has no objects. */
export function registryReader(catalog: () => Catalog): RegistryReader {
  return {
    async get(resource, namespace, name): Promise<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      const entry = await served?.store.getSettled(served.store.key(namespace, name));
      return entry && served!.view.object(entry);
    },
    async list(resource, namespace = ''): Promise<readonly KubeObject[]> {
      const served = catalog().findAny(resource);
      if (served === undefined) return [];
      const entries = await served.store.listSettled(served.store.scope(namespace));
      return entries.map((entry) => served.view.object(entry));
    },
  };
}
