/** Functions that are longer than one can see at once: the parent branches, the leaves compute. */
import type { Node } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { linesOf, type ProjectFile, visit } from '../project.ts';

/** A function of more lines is two: STYLE has "about 70". */
export const functionLinesMax = 70;

/** `path: name` of each function over the limit. A function inside another counts for both. */
export function longFunctions({ path, tree }: ProjectFile): readonly string[] {
  const found: string[] = [];
  visit(tree, (node) => {
    if (!isFunction(node)) return;

    if (linesOf(node, tree) > functionLinesMax) found.push(`${path}: ${nameOf(node)}`);
  });
  return found;
}

function isFunction(node: Node): boolean {
  return (
    is.isFunctionDeclaration(node) ||
    is.isMethodDeclaration(node) ||
    is.isConstructorDeclaration(node) ||
    is.isArrowFunction(node) ||
    is.isFunctionExpression(node)
  );
}

function nameOf(node: Node): string {
  const named = node as Node & { readonly name?: Node };
  if (named.name !== undefined) return named.name.getText();
  const parent = node.parent as (Node & { readonly name?: Node }) | undefined;
  return parent?.name?.getText() ?? 'a function without a name';
}
