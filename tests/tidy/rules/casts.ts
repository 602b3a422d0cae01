/** Places where the compiler is told a type instead of finding it: `as`, but for `as const`, and `!`. */
import * as is from 'typescript/unstable/ast/is';
import { type ProjectFile, visit } from '../project.ts';

/** How many of each a file has. */
export function castsOf({ tree }: ProjectFile): { readonly as: number; readonly bang: number } {
  const counts = { as: 0, bang: 0 };
  visit(tree, (node) => {
    if (is.isNonNullExpression(node)) counts.bang++;
    else if (is.isAsExpression(node) && node.type.getText(tree) !== 'const') counts.as++;
  });
  return counts;
}
