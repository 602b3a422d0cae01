/** What a server with every rule serves, as documents are made of it, without the server. */
import { strategies } from '#pkg/registry/table.ts';
import { builtInDefinitions } from '../built-in.ts';
import { Catalog } from '../catalog.ts';
import type { ServedInfo } from '../definition.ts';
import type { ResourceStore } from '../storage/resource-store.ts';

/** In the order of the catalog. No object can be asked for. */
export function servedInfos(): readonly ServedInfo[] {
  const definitions = builtInDefinitions({ strategies, runtimeConfig: {} });
  return new Catalog({ definitions, openStore: () => ({}) as ResourceStore }).list();
}
