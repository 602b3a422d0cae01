/** Reads and writes of the server's own resources, past authorization and admission: for strategies and admission plugins. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import type { Catalog } from './catalog.ts';
import type { RegistryWriter } from './strategy.ts';

/** Reads the stored version, or any served one of it. A resource that is not served has no objects. */
export function registryReader(catalog: () => Catalog): RegistryWriter {
  return {
    async get(resource, namespace, name): Promise<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      const entry = await served?.store.get(served.store.key(namespace, name));
      return entry && served!.view.object(entry);
    },
    async list(resource, namespace = ''): Promise<readonly KubeObject[]> {
      const served = catalog().findAny(resource);
      if (served === undefined) return [];
      const entries = await served.store.list(served.store.scope(namespace));
      return entries.map((entry) => served.view.object(entry));
    },
    async swap(resource, { metadata = {} }, draft): Promise<KubeObject | undefined> {
      const served = catalog().findAny(resource);
      if (served === undefined) return undefined;
      const key = served.store.key(metadata.namespace ?? '', metadata.name ?? '');
      const result = await served.store.put(key, draft, Number(metadata.resourceVersion));
      return result.ok ? result.entry.object : undefined;
    },
  };
}
