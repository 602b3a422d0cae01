/** Parameters of the kernel that pods set. Source: component-helpers `node/util/sysctl`. */

/** Those that each namespace has its own of, by the field of a pod that shares it with the node. */
const namespaces: readonly { readonly of: RegExp; readonly field: 'hostIPC' | 'hostNetwork' }[] = [
  { of: /^net\./, field: 'hostNetwork' },
  { of: /^(kernel\.(sem$|shm|msg)|fs\.mqueue\.)/, field: 'hostIPC' },
];

/** The name with dots: `net/ipv4/a.b` is `net.ipv4.a/b`, as whichever separates first does so everywhere. Source: sysctl(8). */
export function dottedSysctl(name: string): string {
  if (/[./]/.exec(name)?.[0] !== '/') return name;
  return name.replaceAll(/[./]/g, (one) => (one === '/' ? '.' : '/'));
}

/** The field of a pod with which it would set a parameter for its node; undefined where the node has it alone. */
export function sysctlSharedBy(name: string): 'hostIPC' | 'hostNetwork' | undefined {
  const dotted = dottedSysctl(name);
  return namespaces.find(({ of }) => of.test(dotted))?.field;
}
