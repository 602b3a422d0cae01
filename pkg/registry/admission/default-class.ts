/** Which of several classes is the default one. */
import type { KubeObject } from '#pkg/apimachinery/object.ts';

/** The newest of the classes that one of `marks` calls the default, then the first by name; undefined where none is. */
export function defaultClass(classes: readonly KubeObject[], marks: readonly string[]): KubeObject | undefined {
  const defaults = classes.filter(({ metadata }) => marks.some((mark) => metadata?.annotations?.[mark] === 'true'));
  const [newest] = defaults.sort((a, b) => {
    const [left = '', right = ''] = [a.metadata?.creationTimestamp, b.metadata?.creationTimestamp];
    if (left !== right) return left > right ? -1 : 1;
    return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
  });
  return newest;
}
