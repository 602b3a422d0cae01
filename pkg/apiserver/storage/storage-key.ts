/**
 * Where the objects of a resource lie in the store: below `/registry/` and, for most of the API's own, their name alone; what is otherwise says so
 * (`keyName` of its rules), as do all that are defined by data, which are below their group. Source: `DefaultStorageFactory` and its
 * `specialDefaultResourcePrefixes`; `SimpleRestOptionsFactory` for custom resources. Held against the keys of a 1.28 apiserver.
 */

/** What all keys of a resource begin with: `/registry/pods/`. After it come the namespace, for a namespaced one, and the name. */
export function storagePrefix(
  { resource }: { readonly resource: string },
  keeping: { readonly keyName?: string } | undefined,
): string {
  return `/registry/${keeping?.keyName ?? resource}/`;
}
