/** Whose a resource of containers and nodes is, by its name. Pure. Source: upstream `pkg/apis/core/helper` `IsNativeResource`, `IsExtendedResourceName`. */

/** Whether it is Kubernetes' own: it has no prefix, or one of its domain. */
export function isNativeResource(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

/** Whether it is one that somebody made up. Whether the name is right is not looked at. */
export function isExtendedResource(name: string): boolean {
  return !isNativeResource(name) && !name.startsWith('requests.');
}
