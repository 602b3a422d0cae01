/** Where the pages are on which a kubelet speaks of itself (`kubelet-pages.ts`, which is loaded with the first request for one). */

/** Their paths. */
export const pagePaths: ReadonlySet<string> = new Set([
  '/configz',
  '/flagz',
  '/metrics',
  '/metrics/cadvisor',
  '/metrics/probes',
  '/metrics/resource',
  '/metrics/slis',
  '/statusz',
]);
