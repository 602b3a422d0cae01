/** All endpoints of Docker's API that are answered, in one table: `docs/docker-socket.md` has the same, which a test holds. What is not here is refused. */
import { archiveRoutes } from './archive-routes.ts';
import { buildRoutes } from './build-routes.ts';
import { containerRoutes } from './container-routes.ts';
import { DockerError } from './docker-error.ts';
import { execRoutes } from './exec-routes.ts';
import { imageRoutes } from './image-routes.ts';
import { placeRoutes } from './place-routes.ts';
import type { Route } from './route.ts';
import { systemRoutes } from './system-routes.ts';

/** The table. Of two that fit a path the first counts. */
export const routes: readonly Route[] = [
  ...systemRoutes,
  ...imageRoutes,
  ...containerRoutes,
  ...execRoutes,
  ...archiveRoutes,
  ...buildRoutes,
  ...placeRoutes,
];

const patterns = routes.map((route) => ({ route, pattern: patternOf(route.path) }));

/** The endpoint of a request. Throws 404 where there is none. */
export function findRoute(
  method: string,
  path: string,
): { readonly route: Route; readonly names: Readonly<Record<string, string>> } {
  for (const { route, pattern } of patterns) {
    const found = route.method === method ? pattern.exec(path) : null;
    if (found !== null) return { route, names: decoded(found.groups ?? {}) };
  }
  throw new DockerError(404, 'page not found');
}

/** Names of images have slashes, others have none. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace('{image}', '(?<image>.+)').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
}

function decoded(groups: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  try {
    return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]));
  } catch (error) {
    throw new DockerError(400, 'invalid URL escape', error);
  }
}
