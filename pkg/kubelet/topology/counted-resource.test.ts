/** Things that are somewhere keep the laws of resources. */
import { numaResourceConformance } from './conformance.ts';
import { CountedResource } from './counted-resource.ts';

const things = [1, 1, 2, 2];

numaResourceConformance('things that are counted', (wanted) => {
  const wishes = wanted.map(({ container, isInit = false, parts }) => ({ container, count: parts, isInit }));
  return new CountedResource({ wishes, all: things, free: things });
});
