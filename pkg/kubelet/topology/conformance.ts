/** What every resource that is somewhere has to tell of itself: the laws of `NumaResource` as tests. Each sort's own test file calls it. */
import { expect, test } from 'vitest';
import { bits, type NumaMask } from './numa-hints.ts';
import type { NumaResource } from './topology-manager.ts';

const nodes = [0, 1];
const [first, second, both] = [1, 2, 3] satisfies readonly NumaMask[];

/** Runs the suite. `make` gives what a pod wants of two NUMA nodes with two parts each, of which its containers want so many. */
export function numaResourceConformance(
  name: string,
  make: (
    wanted: readonly { readonly container: string; readonly parts: number; readonly isInit?: boolean }[],
  ) => NumaResource,
): void {
  const masksFor = (resource: NumaResource, container: string): readonly (NumaMask | undefined)[] =>
    resource.hintsFor(container, nodes).map(({ mask }) => mask);

  test(`${name}: containers are told in the order in which they run, those that want nothing are not`, () => {
    const resource = make([
      { container: 'b', parts: 1 },
      { container: 'none', parts: 0 },
      { container: 'a', parts: 1 },
    ]);
    expect(resource.containers).toEqual(['b', 'a']);
  });

  test(`${name}: what would do is told, and preferred where no fewer nodes ever would`, () => {
    for (const parts of [1, 2, 3]) {
      const hints = make([{ container: 'a', parts }]).hintsFor('a', nodes);
      const fewest = parts > 2 ? 2 : 1;
      expect(hints.map(({ mask }) => mask)).toEqual(parts > 2 ? [both] : [first, second, both]);
      for (const { isPreferred, mask = 0 } of hints) expect(isPreferred).toBe(bits(mask) === fewest);
    }
    expect(make([{ container: 'a', parts: 5 }]).hintsFor('a', nodes)).toEqual([]);
  });

  test(`${name}: what one has taken is not there for the next`, () => {
    const resource = make(['a', 'b', 'c'].map((container) => ({ container, parts: 2 })));
    resource.take('a', second);
    expect(masksFor(resource, 'b')).toContain(first);
    expect(masksFor(resource, 'b')).not.toContain(second);
    resource.take('b', first);
    expect(masksFor(resource, 'c')).toEqual([]);
  });

  test(`${name}: what an init container had those after it have again`, () => {
    const resource = make([
      { container: 'init', parts: 2, isInit: true },
      { container: 'a', parts: 2 },
    ]);
    resource.take('init', second);
    expect(masksFor(resource, 'a')).toContain(second);
  });

  test(`${name}: of a pod as a whole that counts which its containers have at one time`, () => {
    const resource = make([
      { container: 'init', parts: 2, isInit: true },
      { container: 'a', parts: 1 },
      { container: 'b', parts: 1 },
    ]);
    expect(resource.hintsForPod(nodes).map(({ mask }) => mask)).toEqual([first, second, both]);
    const large = make(['a', 'b'].map((container) => ({ container, parts: 2 })));
    expect(large.hintsForPod(nodes)).toEqual([{ mask: both, isPreferred: true }]);
  });
}
